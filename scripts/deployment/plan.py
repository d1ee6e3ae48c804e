"""What is deployed and where it will be: a pure function of the artifacts, the network and the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from aicp.abi import escrow, payment_channel, usdc
from aicp.abi.bytecode import artifact
from aicp.abi.runtime import keccak
from aicp.rules.constants import Network
from aicp.rules.deployment import Bounds
from aicp.rules.primitives import ZERO_ADDRESS, parse_address
from scripts.deployment.config import LOCAL_CHAIN_ID, DeployConfig
from scripts.deployment.errors import ConfigError
from scripts.deployment.factory import FACTORY

SALT = keccak(b"AICP 1")


@dataclass(frozen=True, slots=True)
class Step:
    """One contract to create through the factory."""

    name: str
    arguments: bytes
    init_code: bytes
    address: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order, and every address that follows from them."""

    steps: tuple[Step, ...]
    usdc: bytes
    escrow: bytes
    reputation: bytes
    payment_channel: bytes
    erc3009_collector: bytes
    bounds: Bounds

    @property
    def constructor_arguments(self) -> dict[str, bytes]:
        """The encoded constructor arguments by contract."""
        return {step.name: step.arguments for step in self.steps}


def create2_address(init_code: bytes) -> bytes:
    """Return where the factory puts a contract."""
    return keccak(b"\xff" + FACTORY + SALT + keccak(init_code))[12:]


def first_child(creator: bytes) -> bytes:
    """Return the address of the first contract a contract creates (its nonce is 1)."""
    return keccak(b"\xd6\x94" + creator + b"\x01")[12:]


def _step(name: str, arguments: bytes) -> Step:
    init_code = artifact(name).bytecode + arguments
    return Step(name, arguments, init_code, create2_address(init_code))


def bounds_of(network: Network) -> Bounds:
    """Return the immutable bounds of a deployment to a network."""
    constants = network.constants
    return Bounds(
        max_fee_bps=constants.max_fee_bps,
        min_challenge_period_seconds=constants.min_challenge_period_seconds,
        max_challenge_period_seconds=constants.max_challenge_period_seconds,
        max_accept_window_seconds=constants.max_accept_window_seconds,
        max_deliver_window_seconds=constants.max_deliver_window_seconds,
        max_dispute_timeout_seconds=constants.max_dispute_timeout_seconds,
        unbonding_seconds=constants.unbonding_seconds,
    )


def plan_for(network: Network, config: DeployConfig) -> Plan:
    """Return the plan for a network. MockUSDC is part of it on the local chain and nowhere else."""
    steps: list[Step] = []
    if network.usdc is not None:
        token = parse_address(network.usdc)
    else:
        if network.chain_id != LOCAL_CHAIN_ID or network.public or config.mock_usdc_owner == ZERO_ADDRESS:
            raise ConfigError(f"Chain {network.chain_id} has no USDC in the constants file.")
        steps.append(_step("MockUSDC", usdc.encode_constructor(config.mock_usdc_owner)))
        token = steps[0].address
    bounds = bounds_of(network)
    settings = escrow.EscrowConfig(
        token=token,
        admin=config.admin,
        guardian=config.guardian,
        fee_recipient=config.fee_recipient,
        fee_bps=network.constants.fee_bps,
        max_fee_bps=bounds.max_fee_bps,
        min_challenge_period=bounds.min_challenge_period_seconds,
        max_challenge_period=bounds.max_challenge_period_seconds,
        max_accept_window=bounds.max_accept_window_seconds,
        max_deliver_window=bounds.max_deliver_window_seconds,
        max_dispute_timeout=bounds.max_dispute_timeout_seconds,
        unbonding_period=bounds.unbonding_seconds,
    )
    # the second code body of Escrow is made for the same settings
    extension = _step("EscrowExtension", settings.encode())
    deal = _step("Escrow", escrow.encode_constructor(settings, extension.address))
    # address(0) lets the channel create its own collectors
    channel = _step(
        "PaymentChannel", payment_channel.encode_constructor(token, config.guardian, ZERO_ADDRESS, ZERO_ADDRESS)
    )
    return Plan(
        steps=(*steps, extension, deal, channel),
        usdc=token,
        escrow=deal.address,
        reputation=first_child(deal.address),
        payment_channel=channel.address,
        erc3009_collector=first_child(channel.address),
        bounds=bounds,
    )
