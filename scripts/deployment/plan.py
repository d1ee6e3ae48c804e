"""What is deployed and where it will be: a pure function of the artifacts, the network and the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode

from aicp.abi import escrow, payment_channel, usdc
from aicp.abi.bytecode import artifact
from aicp.abi.runtime import keccak
from aicp.rules.constants import Network
from aicp.rules.deployment import Bounds
from aicp.rules.primitives import ZERO_ADDRESS, checksum, parse_address
from scripts.deployment.arbiter import NAME as ARBITER
from scripts.deployment.arbiter import arbiter_arguments
from scripts.deployment.config import LOCAL_CHAIN_ID, DeployConfig
from scripts.deployment.errors import ConfigError
from scripts.deployment.factory import FACTORY

SALT = keccak(b"AICP 1")
ADMIN_DELAY_SECONDS = 48 * 3600
"""How long the timelock of a public network lets everybody see what the admin is about to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One contract to create through the factory."""

    name: str
    arguments: bytes
    init_code: bytes
    address: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order, and every address that follows from them.

    `admin` is the timelock on a public network. `arbiter` is zero where there is none.
    """

    steps: tuple[Step, ...]
    admin: bytes
    usdc: bytes
    escrow: bytes
    reputation: bytes
    payment_channel: bytes
    erc3009_collector: bytes
    permit2_collector: bytes
    arbiter: bytes
    bounds: Bounds

    @property
    def constructor_arguments(self) -> dict[str, bytes]:
        """The encoded constructor arguments by contract."""
        return {step.name: step.arguments for step in self.steps}


def create2_address(init_code: bytes) -> bytes:
    """Return where the factory puts a contract."""
    return keccak(b"\xff" + FACTORY + SALT + keccak(init_code))[12:]


def child(creator: bytes, nonce: int) -> bytes:
    """Return the address of a contract's creation: the first one has nonce 1, the highest told here is 127."""
    if not 1 <= nonce <= 127:
        raise ValueError("a nonce of one byte is 1 to 127")
    return keccak(b"\xd6\x94" + creator + bytes([nonce]))[12:]


def first_child(creator: bytes) -> bytes:
    """Return the address of the first contract a contract creates."""
    return child(creator, 1)


def _step(name: str, arguments: bytes) -> Step:
    init_code = artifact(name).bytecode + arguments
    return Step(name, arguments, init_code, create2_address(init_code))


def timelock_arguments(config: DeployConfig) -> bytes:
    """Return the constructor arguments of the timelock of a public network."""
    executors = config.executors or (config.admin,)
    return encode(
        ["uint256", "address[]", "address[]"],
        [ADMIN_DELAY_SECONDS, [checksum(config.admin)], [checksum(key) for key in executors]],
    )


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
    admin = config.admin
    if network.public:
        # what the admin of a public network does is seen two days before it happens
        steps.append(_step("AdminTimelock", timelock_arguments(config)))
        admin = steps[-1].address
    settings = escrow.EscrowConfig(
        token=token,
        admin=admin,
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
    steps += [extension, deal, channel]
    arbiter = ZERO_ADDRESS
    arguments = arbiter_arguments(network, config, token, admin)
    if arguments is not None:
        steps.append(_step(ARBITER, arguments))
        arbiter = steps[-1].address
    return Plan(
        steps=tuple(steps),
        admin=admin,
        usdc=token,
        escrow=deal.address,
        reputation=first_child(deal.address),
        payment_channel=channel.address,
        erc3009_collector=first_child(channel.address),
        permit2_collector=child(channel.address, 2),
        arbiter=arbiter,
        bounds=bounds,
    )
