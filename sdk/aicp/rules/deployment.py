"""One deployment of the contracts, as `deployments/<chainId>.json` states it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aicp.rules.primitives import ZERO_ADDRESS, checksum, hex0x, parse_address, parse_bytes

_BOUNDS = (
    ("max_fee_bps", "maxFeeBps"),
    ("min_challenge_period_seconds", "minChallengePeriodSeconds"),
    ("max_challenge_period_seconds", "maxChallengePeriodSeconds"),
    ("max_accept_window_seconds", "maxAcceptWindowSeconds"),
    ("max_deliver_window_seconds", "maxDeliverWindowSeconds"),
    ("max_dispute_timeout_seconds", "maxDisputeTimeoutSeconds"),
    ("unbonding_seconds", "unbondingSeconds"),
)
_CONTRACTS = (
    ("usdc", "usdc"),
    ("escrow", "escrow"),
    ("payment_channel", "paymentChannel"),
    ("reputation", "reputation"),
    ("erc3009_collector", "erc3009Collector"),
    ("arbiter", "arbiter"),
)
_OPTIONAL = (("permit2_collector", "permit2Collector"),)


class DeploymentFileError(ValueError):
    """The file is missing or does not state a deployment; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a deployment fixes for ever: the cap of the fee in basis points, all clocks in seconds."""

    max_fee_bps: int
    min_challenge_period_seconds: int
    max_challenge_period_seconds: int
    max_accept_window_seconds: int
    max_deliver_window_seconds: int
    max_dispute_timeout_seconds: int
    unbonding_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEpoch:
    """An operator key and the time it serves; `until` is None where no end is set. Epochs may overlap."""

    address: bytes
    from_time: dt.datetime
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Addresses are 20 bytes. `arbiter` and `permit2_collector` are the zero address in a deployment without them.

    `admin` is the account that owned Escrow when it was deployed: a timelock on public networks. `fee_bps` and
    `fee_recipient` are the values of the deployment; the chain tells today's.
    """

    chain_id: int
    usdc: bytes
    escrow: bytes
    payment_channel: bytes
    reputation: bytes
    erc3009_collector: bytes
    arbiter: bytes
    deploy_block: int
    token_name: str
    token_version: str
    fee_bps: int
    fee_recipient: bytes
    admin: bytes
    guardian: bytes
    bounds: Bounds
    operators: tuple[OperatorEpoch, ...]
    constructor_arguments: dict[str, bytes]
    permit2_collector: bytes = ZERO_ADDRESS

    @property
    def paying_contracts(self) -> frozenset[bytes]:
        """The contracts that hold money of many and pay it out: a transfer from one is no gift of anybody."""
        return frozenset({self.escrow, self.payment_channel, self.reputation, self.arbiter}) - {ZERO_ADDRESS}

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read a deployment file. Raises DeploymentFileError."""
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise DeploymentFileError(f"There is no readable deployment file at {path}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DeploymentFileError(f"{path} is not a deployment file: {error!r}.") from error

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Deployment:
        """Build a deployment from its JSON. Raises ValueError, KeyError or TypeError when it is malformed."""
        contracts = {field: parse_address(raw["contracts"][name]) for field, name in _CONTRACTS}
        contracts |= {
            field: parse_address(raw["contracts"][name]) for field, name in _OPTIONAL if name in raw["contracts"]
        }
        return cls(
            chain_id=int(raw["chainId"]),
            deploy_block=int(raw["deployBlock"]),
            token_name=raw["token"]["name"],
            token_version=raw["token"]["version"],
            fee_bps=int(raw["fee"]["bps"]),
            fee_recipient=parse_address(raw["fee"]["recipient"]),
            admin=parse_address(raw["admin"]),
            guardian=parse_address(raw["guardian"]),
            bounds=Bounds(**{field: int(raw["bounds"][name]) for field, name in _BOUNDS}),
            operators=tuple(_operator(entry) for entry in raw["operators"]),
            constructor_arguments={name: parse_bytes(text) for name, text in raw["constructorArguments"].items()},
            **contracts,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `from_json` reads."""
        return {
            "chainId": self.chain_id,
            "deployBlock": self.deploy_block,
            "contracts": {name: checksum(getattr(self, field)) for field, name in (*_CONTRACTS, *_OPTIONAL)},
            "token": {"name": self.token_name, "version": self.token_version, "symbol": "USDC", "decimals": 6},
            "fee": {"bps": self.fee_bps, "recipient": checksum(self.fee_recipient)},
            "admin": checksum(self.admin),
            "guardian": checksum(self.guardian),
            "bounds": {name: getattr(self.bounds, field) for field, name in _BOUNDS},
            "operators": [
                {
                    "address": checksum(epoch.address),
                    "from": _rfc3339(epoch.from_time),
                    "until": None if epoch.until is None else _rfc3339(epoch.until),
                }
                for epoch in self.operators
            ],
            "constructorArguments": {name: hex0x(value) for name, value in self.constructor_arguments.items()},
        }


def _rfc3339(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _time(text: str | int) -> dt.datetime:
    """Read a date with its offset, or unix seconds."""
    if isinstance(text, int):
        return dt.datetime.fromtimestamp(text, dt.UTC)
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"a time needs its offset: {text!r}")
    return time


def _operator(raw: dict[str, Any]) -> OperatorEpoch:
    start, until = _time(raw["from"]), None if raw["until"] is None else _time(raw["until"])
    if until is not None and until <= start:
        raise ValueError(f"an operator's epoch ends before it begins: {raw['address']}")
    return OperatorEpoch(address=parse_address(raw["address"]), from_time=start, until=until)
