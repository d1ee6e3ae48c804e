"""The contracts on a fresh chain, with the token behind its proxy, and everybody who uses them.

Keys, salts and times follow from names and from the chain's fixed clock, so that every signature is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from eth_abi.abi import encode

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import typed_data
from aicp.abi import usdc as usdc_abi
from aicp.abi.runtime import Domain, TypedMessage
from aicp.abi.signing import address_of, sign
from aicp.rules.primitives import ZERO_ADDRESS, checksum, keccak
from scripts.gas.chain import CHAIN_ID, Chain
from scripts.gas.pricing import Figures

USDC: Final = 1_000_000
HOUR: Final = 3_600
DAY: Final = 24 * HOUR
FEE_BPS: Final = 250
_PLENTY: Final = 10**9 * USDC
_BOUNDLESS: Final = 2**256 - 1
_ALWAYS_SEVEN: Final = "0x60075f5260205ff3"
"""Code of a source of random numbers whose every answer is 7, so that the same jurors are drawn whatever changes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a key."""

    name: str
    key: bytes
    address: bytes

    def sign(self, message: TypedMessage, domain: Domain) -> bytes:
        """Return the signature of a typed message, 65 bytes."""
        return sign(message.digest(domain), self.key)


def person(name: str) -> Person:
    """Return the person of a name, always the same."""
    key = keccak(b"aicp gas " + name.encode())
    return Person(name, key, address_of(key))


@dataclass(slots=True)
class World:
    """Addresses, people, and what was measured so far."""

    chain: Chain
    usdc: bytes
    escrow: bytes
    reputation: bytes
    channel: bytes
    collector: bytes
    arbiter: bytes
    measured: dict[str, Figures] = field(default_factory=dict)
    client: Person = field(default_factory=lambda: person("client"))
    provider: Person = field(default_factory=lambda: person("provider"))
    relayer: Person = field(default_factory=lambda: person("relayer"))
    operator: Person = field(default_factory=lambda: person("operator"))
    session: Person = field(default_factory=lambda: person("session"))
    owner: Person = field(default_factory=lambda: person("owner"))

    @property
    def token_domain(self) -> Domain:
        """Domain of the token's messages."""
        return typed_data.token_domain("USD Coin", "2", CHAIN_ID, self.usdc)

    @property
    def escrow_domain(self) -> Domain:
        """Domain of the escrow's messages."""
        return typed_data.escrow_domain(CHAIN_ID, self.escrow)

    @property
    def channel_domain(self) -> Domain:
        """Domain of the channel's messages."""
        return typed_data.channel_domain(CHAIN_ID, self.channel)

    def send(self, sender: Person, to: bytes, data: bytes) -> None:
        """Send a transaction that is not measured. Raises MeasureError."""
        self.chain.send(sender.address, to, data)

    def measure(self, key: str, sender: Person, to: bytes, data: bytes) -> None:
        """Send a transaction and keep its figures under a key. Raises MeasureError, UnpriceableError."""
        self.measured[key] = self.chain.measure(sender.address, to, data)

    def give(self, holder: Person, *spenders: bytes) -> None:
        """Give somebody plenty of money and let contracts take it."""
        self.send(self.owner, self.usdc, usdc_abi.encode_mint(holder.address, _PLENTY))
        for spender in spenders:
            self.send(holder, self.usdc, usdc_abi.encode_approve(spender, _BOUNDLESS))

    def authorization(self, payer: Person, to: bytes, amount: int, valid_before: int, nonce: bytes) -> bytes:
        """Return an ERC-3009 signature for a payment that is valid from the start."""
        message = typed_data.ReceiveWithAuthorization(payer.address, to, amount, 0, valid_before, nonce)
        return payer.sign(message, self.token_domain)


def build(chain: Chain) -> World:
    """Deploy everything. Raises MeasureError."""
    owner, guardian, fees = person("owner"), person("guardian"), person("fees")
    signatures = chain.deploy(owner.address, "ProxiedUSDCSignatures")
    logic = chain.deploy(owner.address, "ProxiedUSDCLogic", encode(["address"], [checksum(signatures)]))
    parties = [checksum(address) for address in (logic, person("proxy admin").address, owner.address)]
    usdc = chain.deploy(owner.address, "ProxiedUSDC", encode(["address", "address", "address"], parties))
    config = escrow_abi.EscrowConfig(
        token=usdc,
        admin=owner.address,
        guardian=guardian.address,
        fee_recipient=fees.address,
        fee_bps=FEE_BPS,
        max_fee_bps=500,
        min_challenge_period=HOUR,
        max_challenge_period=14 * DAY,
        max_accept_window=7 * DAY,
        max_deliver_window=180 * DAY,
        max_dispute_timeout=180 * DAY,
        unbonding_period=7 * DAY,
    )
    extension = chain.deploy(owner.address, "EscrowExtension", config.encode())
    escrow = chain.deploy(owner.address, "Escrow", escrow_abi.encode_constructor(config, extension))
    arguments = channel_abi.encode_constructor(usdc, guardian.address, ZERO_ADDRESS, ZERO_ADDRESS)
    channel = chain.deploy(owner.address, "PaymentChannel", arguments)
    chain.rpc("anvil_setCode", checksum(person("randomness").address), _ALWAYS_SEVEN)
    arbiter = chain.deploy(owner.address, "DisputeArbiter", arbiter_abi.encode_constructor(_court(usdc)))
    return World(
        chain=chain,
        usdc=usdc,
        escrow=escrow,
        reputation=escrow_abi.decode_reputation_result(chain.call(escrow, escrow_abi.encode_reputation())),
        channel=channel,
        collector=channel_abi.decode_erc3009_collector_result(
            chain.call(channel, channel_abi.encode_erc3009_collector())
        ),
        arbiter=arbiter,
    )


def _court(usdc: bytes) -> arbiter_abi.ArbiterConfig:
    return arbiter_abi.ArbiterConfig(
        token=usdc,
        admin=person("owner").address,
        guardian=person("guardian").address,
        sink=person("fees").address,
        randomness=person("randomness").address,
        seeder=ZERO_ADDRESS,
        fee_per_seat=USDC,
        stake_per_seat=10 * USDC,
        min_stake=20 * USDC,
        incoherence_bps=3_000,
        leak_bps=1_000,
        evidence_period=2 * DAY,
        commit_period=DAY,
        reveal_period=DAY,
        appeal_period=DAY,
        unbonding_period=14 * DAY,
        staking_period=HOUR,
        randomness_timeout=HOUR,
        drawing_period=6 * HOUR,
    )


def fund_bonus_pool(world: World, amount: int) -> None:
    """Put money into the pool that bonuses are paid from."""
    world.give(world.owner, world.reputation)
    world.send(world.owner, world.reputation, reputation_abi.encode_fund_bonus_pool(amount))
