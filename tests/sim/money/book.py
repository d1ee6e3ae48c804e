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

from backend.payments import charges
from backend.x402 import purchases
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
    ceiling: int
    """The voucher that came with it."""
    state: State = "asked"
    doubt: Callable[[Session], object] | None = None
    then: State = "placed"
    deliverable: bytes = b""
    last: Callable[[Session], object] | None = None
    """The newest request that was answered well: repeated, it must change nothing."""

    @property
    def may_be_void(self) -> bool:
        """Whether a request that frees its price was never answered."""
        return self.doubt is not None and self.then == "void"


@dataclass(slots=True)
class Payment:
    """A bare voucher's payment."""

    purse: Purse
    agent: Person
    units: int
    ceiling: int


SaleState = Literal["asked", "open", "doubt", "earned", "void"]


@dataclass(slots=True)
class Sale:
    """A request paid at the gateway, from the buyer's own channel. `asked` and `doubt`: an answer was lost."""

    purse: Purse
    agent: Person
    price: int
    asked: charges.Asked
    bought: purchases.Bought
    ends_at: int
    state: SaleState = "asked"
    payment: uuid.UUID | None = None

    @property
    def over(self) -> bool:
        """Whether its end is known."""
        return self.state in {"earned", "void"}


@dataclass(slots=True)
class Book:
    """All of a story's orders, payments and sales."""

    orders: list[Order] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    ceilings: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """The highest voucher a session key has signed, by pool and agent; signed is not stored."""
    stored: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """The highest voucher the service has taken, by pool and agent."""

    sales: list[Sale] = field(default_factory=list)
    refunds: dict[bytes, dict[int, int]] = field(default_factory=dict)
    """What the operator has signed back, by channel and the contract's nonce: of two amounts the larger."""

    def promised(self, purse: Purse, agent: Person, latest: int) -> tuple[int, int]:
        """Return what the service has promised an agent on its two channels: what is earned, and what is reserved.

        `latest` is the latest time its clocks have shown: an order nobody has delivered by then may be void, and so
        may be a sale nobody has answered.
        """
        orders = [one for one in self.orders if one.purse is purse and one.agent is agent and not one.may_be_void]
        kept = [one for one in orders if one.state in {"delivered", "earned"}]
        kept += [one for one in orders if one.state == "placed" and latest < one.deliver_by]
        paid = [one for one in self.payments if one.purse is purse and one.agent is agent]
        sales = [one for one in self._sales(purse, agent) if one.state == "open" and latest < one.ends_at]
        market = sum(one.price for one in kept) + sum(one.units for one in paid)
        return market, self.sold(purse, agent) + sum(one.price for one in sales)

    def _sales(self, purse: Purse, agent: Person) -> list[Sale]:
        return [one for one in self.sales if one.purse is purse and one.agent is agent]

    def sold(self, purse: Purse, agent: Person) -> int:
        """Return what an agent has earned at the gateway from a buyer's own channel."""
        return sum(one.price for one in self._sales(purse, agent) if one.state == "earned")

    def sale_at(self, purse: Purse, agent: Person) -> Sale | None:
        """Return the request of this channel whose end is not known: a client has one at a time."""
        return next((one for one in self._sales(purse, agent) if not one.over), None)

    def given_back(self, channel_id: bytes, nonce: int) -> int:
        """Return what may still leave a channel by signatures over this nonce of the contract or later ones."""
        return sum(units for number, units in self.refunds.get(channel_id, {}).items() if number >= nonce)

    def earned(self, purse: Purse, agent: Person) -> int:
        """Return what an agent has earned on the marketplace's channel; at the end, when every clock has run out."""
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
