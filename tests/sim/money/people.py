"""Buyers with pools and agents: keys that follow from names, and everything they sign."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Final

from aicp.abi.runtime import TypedMessage
from aicp.abi.signing import SigningKey
from aicp.abi.typed_data import Domain, PoolWithdraw, ReceiveWithAuthorization, Voucher
from aicp.rules.constants import network
from aicp.rules.deployment import Bounds, Deployment, OperatorEpoch
from aicp.rules.ids import pool_deposit_nonce, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from backend.context import Context, domains_of
from backend.payments.channels import Lane, lane
from backend.payments.schemas import PoolDepositIn, PoolWithdrawIn, VoucherIn
from tests.sim.money.contract import COLLECTOR
from tests.sim.turn import ADDRESSES, CHAIN_ID, FEES, TOKEN, account

RELAYERS: Final = 2
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
    """A buyer with a session key, and so with a pool."""

    buyer: Person
    session: Person
    pool: bytes

    def deposit(self, ctx: Context, units: int, salt: bytes, before: int) -> PoolDepositIn:
        """Return a signed deposit."""
        message = ReceiveWithAuthorization(
            from_=self.buyer.address, to=ctx.deployment.payment_channel, value=units, valid_after=0,
            valid_before=before, nonce=pool_deposit_nonce(self.pool, salt),
        )  # fmt: skip
        return PoolDepositIn(
            payer_authorizer=self.session.address, operator=ctx.operator.address, amount_units=units,
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
            operator=ctx.operator.address,
        )  # fmt: skip

    def voucher(self, ctx: Context, agent: Person, ceiling: int, signer: Person | None = None) -> VoucherIn:
        """Return a signed ceiling."""
        message = Voucher(channel_id=self.lane(ctx, agent).channel_id, max_claimable_amount=ceiling)
        signature = (signer or self.session).sign(message, ctx.domains.channel)
        return VoucherIn(max_claimable_units=ceiling, signature=signature)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in a story; the same in every story."""

    purses: tuple[Purse, ...]
    agents: tuple[Person, ...]
    relayers: tuple[Person, ...]


@cache
def cast() -> Cast:
    """Return everybody."""
    operator, domain = Person("operator").address, domains_of(deployment()).channel
    purses = []
    for number in range(BUYERS):
        buyer, session = Person(f"buyer {number}"), Person(f"session key {number}")
        purses.append(Purse(buyer, session, pool_id(pool_key(buyer.address, session.address, operator), domain)))
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
        guardian=account("guardian"), bounds=bounds, operators=_operators(), constructor_arguments={},
    )  # fmt: skip


def _operators() -> tuple[OperatorEpoch, ...]:
    return (OperatorEpoch(address=Person("operator").address, from_time=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),)
