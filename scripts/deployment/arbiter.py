"""Constructor arguments of the arbiter, which says itself in its ABI which settings it wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import encode

from aicp.abi.bytecode import artifact
from aicp.rules.constants import Network
from aicp.rules.primitives import ZERO_ADDRESS, checksum
from scripts.deployment.config import DeployConfig
from scripts.deployment.errors import ConfigError

NAME = "DisputeArbiter"

_HOUR = 3600
_DAY = 24 * _HOUR
_MONEY = {
    # base units: a seat is paid 1 USDC and puts 10 at risk
    "feePerSeat": 1_000_000,
    "stakePerSeat": 10_000_000,
    "minStake": 20_000_000,
    "incoherenceBps": 3_000,
    "leakBps": 1_000,
}
_PUBLIC_PERIODS = {
    "evidencePeriod": 2 * _DAY,
    "commitPeriod": _DAY,
    "revealPeriod": _DAY,
    "appealPeriod": _DAY,
    "unbondingPeriod": 14 * _DAY,
    "stakingPeriod": _HOUR,
    "randomnessTimeout": _HOUR,
    "drawingPeriod": 6 * _HOUR,
}
_LOCAL_PERIODS = {
    "evidencePeriod": 60,
    "commitPeriod": 60,
    "revealPeriod": 60,
    "appealPeriod": 60,
    "unbondingPeriod": 60,
    "stakingPeriod": 10,
    "randomnessTimeout": 60,
    "drawingPeriod": 60,
}


def arbiter_arguments(network: Network, config: DeployConfig, token: bytes, admin: bytes) -> bytes | None:
    """Return the encoded constructor arguments, or None when the arbiter is not part of this version.

    What nobody earns goes to the fee recipient; the contract creates the default source of randomness. Raises
    ConfigError when the contract wants a setting that is not here.
    """
    try:
        abi = artifact(NAME).abi
    except FileNotFoundError:
        return None
    values: dict[str, Any] = {
        "token": checksum(token),
        "admin": checksum(admin),
        "guardian": checksum(config.guardian),
        "sink": checksum(config.fee_recipient),
        "randomness": checksum(ZERO_ADDRESS),
        "seeder": checksum(config.seeder),
        **_MONEY,
        **(_PUBLIC_PERIODS if network.public else _LOCAL_PERIODS),
    }
    return constructor_arguments(abi, values)


def constructor_arguments(abi: list[dict[str, Any]], values: Mapping[str, Any]) -> bytes:
    """Encode a constructor's inputs, taking every value from its name. Raises ConfigError for an unknown name."""
    inputs: list[dict[str, Any]] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    return encode([_type(item) for item in inputs], [_value(item, values) for item in inputs])


def _type(item: Mapping[str, Any]) -> str:
    if item["type"] != "tuple":
        return str(item["type"])
    return "(" + ",".join(_type(part) for part in item["components"]) + ")"


def _value(item: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    if item["type"] == "tuple":
        return tuple(_value(part, values) for part in item["components"])
    name = item["name"].rstrip("_")
    if name not in values:
        raise ConfigError(f"The deployment has no value for {name}, which {NAME} asks for.")
    return values[name]
