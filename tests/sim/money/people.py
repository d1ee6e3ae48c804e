"""Buyers with pools and agents: keys that follow from names, and everything they sign."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Final

from msgspec import structs

from aicp.abi.runtime import TypedMessage
from aicp.abi.signing import SigningKey
from aicp.abi.typed_data import Domain, PoolWithdraw, ReceiveWithAuthorization, Voucher
from aicp.rules.constants import network
from aicp.rules.deployment import Bounds, Deployment, OperatorEpoch
from aicp.rules.ids import channel_id, pool_deposit_nonce, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from backend.context import Context, domains_of
from backend.payments.channels import Lane, lane
from backend.payments.schemas import PoolDepositIn, PoolWithdrawIn, VoucherIn
from tests.sim.money.contract import COLLECTOR, text
from tests.sim.turn import ADDRESSES, CHAIN_ID, FEES, TOKEN, account

RELAYERS: Final = 2
OPERATORS: Final = ("operator", "the next operator")
OWN_SALT: Final = keccak(b"a client's own salt")
"""Of the channels an x402 client opens at the gateway; the marketplace has another one."""
BUYERS: Final = 2
AGENTS: Final = 3


@cache
def key(name: str) -> bytes:
    """Return the private key of a name."""
    return keccak(f"the key of {name}".encode())


class Person:
    """Somebody with a key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = SigningKey(key(name))

    @property
    def address(self) -> bytes:
        """Who it is."""
        return self._key.address

    def sign(self, message: TypedMessage, domain: Domain) -> bytes:
        """Sign a message."""
        return self._key.sign(message.digest(domain))

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Purse:
    """A buyer with a session key and an operator, and so with a pool."""

    buyer: Person
    session: Person
    operator: Person
    pool: bytes

    @property
    def parties(self) -> tuple[str, str, str]:
        """Payer, session key and operator, as the contract's model spells them."""
        return text(self.buyer.address), text(self.session.address), text(self.operator.address)

    def deposit(self, ctx: Context, units: int, salt: bytes, before: int) -> PoolDepositIn:
        """Return a signed deposit."""
        message = ReceiveWithAuthorization(
            from_=self.buyer.address, to=ctx.deployment.payment_channel, value=units, valid_after=0,
            valid_before=before, nonce=pool_deposit_nonce(self.pool, salt),
        )  # fmt: skip
        return PoolDepositIn(
            payer_authorizer=self.session.address, operator=self.operator.address, amount_units=units,
            valid_before=before, salt=salt, signature=self.buyer.sign(message, ctx.domains.token),
        )  # fmt: skip

    def withdrawal(self, ctx: Context, units: int, nonce: int, until: int) -> PoolWithdrawIn:
        """Return a signed request to withdraw, or to cancel one where `units` is 0."""
        message = PoolWithdraw(pool_id=self.pool, amount=units, cancel=units == 0, nonce=nonce, valid_until=until)
        return PoolWithdrawIn(
            amount_units=units, cancel=units == 0, nonce=nonce, valid_until=until,
            signature=self.buyer.sign(message, ctx.domains.channel),
        )  # fmt: skip

    def lane(self, ctx: Context, agent: Person) -> Lane:
        """Return the channel between the pool and an agent."""
        return lane(
            ctx, payer=self.buyer.address, payer_authorizer=self.session.address, receiver=agent.address,
            operator=self.operator.address,
        )  # fmt: skip

    def own_lane(self, ctx: Context, agent: Person) -> Lane:
        """Return the channel to the same agent that the buyer's x402 client has opened at the gateway."""
        config = structs.replace(self.lane(ctx, agent).config, salt=OWN_SALT)
        return Lane(config=config, channel_id=channel_id(config, ctx.domains.channel), pool_id=self.pool)

    def lanes(self, ctx: Context, agent: Person) -> tuple[Lane, Lane]:
        """Return both channels to an agent."""
        return self.lane(ctx, agent), self.own_lane(ctx, agent)

    def voucher(self, ctx: Context, way: Lane, ceiling: int, signer: Person | None = None) -> VoucherIn:
        """Return a signed ceiling."""
        message = Voucher(channel_id=way.channel_id, max_claimable_amount=ceiling)
        signature = (signer or self.session).sign(message, ctx.domains.channel)
        return VoucherIn(max_claimable_units=ceiling, signature=signature)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in a story; the same in every story. Each buyer has a purse under either operator."""

    purses: tuple[Purse, ...]
    """Those under the first operator, then those under the next."""
    agents: tuple[Person, ...]
    relayers: tuple[Person, ...]

    @property
    def first(self) -> tuple[Purse, ...]:
        """The purses under the first operator."""
        return self.purses[:BUYERS]

    def other(self, purse: Purse) -> Purse:
        """Return the same buyer's purse under the other operator."""
        return next(one for one in self.purses if one.buyer is purse.buyer and one is not purse)


@cache
def cast() -> Cast:
    """Return everybody."""
    domain = domains_of(deployment()).channel
    buyers = [(Person(f"buyer {number}"), Person(f"session key {number}")) for number in range(BUYERS)]
    purses = []
    for operator in map(Person, OPERATORS):
        for buyer, session in buyers:
            pool = pool_id(pool_key(buyer.address, session.address, operator.address), domain)
            purses.append(Purse(buyer, session, operator, pool))
    agents = tuple(Person(f"agent {number}") for number in range(AGENTS))
    return Cast(tuple(purses), agents, tuple(Person(f"relayer {number}") for number in range(RELAYERS)))


@cache
def deployment() -> Deployment:
    """Return where the contracts of the money chain are; there is no arbiter in it."""
    rules = network(CHAIN_ID).constants
    bounds = Bounds(
        max_fee_bps=rules.max_fee_bps,
        min_challenge_period_seconds=rules.min_challenge_period_seconds,
        max_challenge_period_seconds=rules.max_challenge_period_seconds,
        max_accept_window_seconds=rules.max_accept_window_seconds,
        max_deliver_window_seconds=rules.max_deliver_window_seconds,
        max_dispute_timeout_seconds=rules.max_dispute_timeout_seconds,
        unbonding_seconds=rules.unbonding_seconds,
    )
    return Deployment(
        chain_id=CHAIN_ID, usdc=TOKEN, escrow=ADDRESSES["escrow"], payment_channel=ADDRESSES["payment_channel"],
        reputation=ADDRESSES["reputation"], erc3009_collector=COLLECTOR, arbiter=ZERO_ADDRESS, deploy_block=1,
        token_name="USD Coin", token_version="2", fee_bps=250, fee_recipient=FEES[0], admin=account("admin"),
        guardian=account("guardian"), bounds=bounds, operators=epochs(None), constructor_arguments={},
    )  # fmt: skip


def epochs(next_from: int | None, overlap: int = 0) -> tuple[OperatorEpoch, ...]:
    """Return when either operator serves: the next one from some time on, where there is one, for a while beside the
    first."""
    first, then = (Person(name).address for name in OPERATORS)
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    if next_from is None:
        return (OperatorEpoch(address=first, from_time=long_ago),)
    begins, ends = (dt.datetime.fromtimestamp(at, dt.UTC) for at in (next_from, next_from + overlap))
    return (
        OperatorEpoch(address=first, from_time=long_ago, until=ends),
        OperatorEpoch(address=then, from_time=begins),
    )
