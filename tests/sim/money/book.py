"""What must be so: a small ledger of promises, kept from what the service answered and from nothing else.

A request whose answer was lost is repeated, byte for byte, until one comes; until then its order is in doubt and counts
as a promise. Silence of a buyer, and of an agent, is decided by the clock at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.orm import Session

from tests.sim.money.people import Person, Purse

State = Literal["asked", "placed", "delivered", "earned", "void", "refused"]
OPEN: frozenset[str] = frozenset({"asked", "placed", "delivered"})


@dataclass(slots=True)
class Order:
    """One order as its parties know it. `doubt`: the request they repeat; `then`: what its success makes of it."""

    deal_id: uuid.UUID
    order_hash: bytes
    purse: Purse
    agent: Person
    price: int
    deliver_by: int
    evaluate_by: int
    state: State = "asked"
    doubt: Callable[[Session], object] | None = None
    then: State = "placed"
    deliverable: bytes = b""
    last: Callable[[Session], object] | None = None
    """The newest request that was answered well: repeated, it must change nothing."""


@dataclass(slots=True)
class Payment:
    """A bare voucher's payment."""

    purse: Purse
    agent: Person
    units: int
    ceiling: int


@dataclass(slots=True)
class Book:
    """All of a story's orders and payments."""

    orders: list[Order] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    ceilings: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """The highest voucher a session key has signed, by pool and agent; signed is not stored."""

    def promised(self, purse: Purse, latest: int) -> int:
        """Return what the service has promised out of a pool: what is earned, and what is reserved.

        `latest` is the latest time its clocks have shown: an order nobody has delivered by then may be void.
        """
        orders = [one for one in self.orders if one.purse is purse]
        kept = [one for one in orders if one.state in {"delivered", "earned"}]
        kept += [one for one in orders if one.state == "placed" and latest < one.deliver_by]
        return sum(one.price for one in kept) + sum(one.units for one in self.payments if one.purse is purse)

    def earned(self, purse: Purse, agent: Person) -> int:
        """Return what an agent has earned from a pool; asked at the end, when every clock has run out."""
        done = ("earned", "delivered")
        orders = [one for one in self.orders if one.purse is purse and one.agent is agent and one.state in done]
        payments = [one for one in self.payments if one.purse is purse and one.agent is agent]
        return sum(one.price for one in orders) + sum(one.units for one in payments)

    def live(self, purse: Purse, agent: Person) -> int:
        """Return what a ceiling must cover as the buyer sees it: earned and in flight."""
        kept = ("asked", "placed", "delivered", "earned")
        orders = [one for one in self.orders if one.purse is purse and one.agent is agent and one.state in kept]
        payments = [one for one in self.payments if one.purse is purse and one.agent is agent]
        return sum(one.price for one in orders) + sum(one.units for one in payments)
