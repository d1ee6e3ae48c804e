"""Charges of the x402 gateway: what one voucher pays for one request, from reserve to earn or void."""

from __future__ import annotations

import uuid

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, UnitsColumn


class Charge(Base):
    """A price reserved under a voucher. `state`: reserved, earned, void.

    A channel has one charge in flight at a time, and a ceiling pays at most once: two unique indexes see to it.
    """

    __tablename__ = "charge"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"))
    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"))
    payer: Mapped[AddressColumn]
    ceiling_units: Mapped[UnitsColumn]
    price_units: Mapped[UnitsColumn]
    earned_units: Mapped[UnitsColumn] = mapped_column(default=0)
    """What the receiver has earned of the price; 0 until it is earned, and when it is void."""
    state: Mapped[str] = mapped_column(Text)
    ends_at: Mapped[Moment]
    """When the request it pays for must have been answered; a reserve still there later is void."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("price_units > 0", name="price"),
        CheckConstraint("earned_units BETWEEN 0 AND price_units", name="earned"),
        CheckConstraint("state in ('reserved', 'earned', 'void')", name="state"),
        CheckConstraint("(state = 'earned') = (earned_units > 0)", name="end"),
        Index(
            "uq_charge_ceiling", "channel_id", "ceiling_units", unique=True, postgresql_where=text("state <> 'void'")
        ),
        Index("uq_charge_in_flight", "channel_id", unique=True, postgresql_where=text("state = 'reserved'")),
        {"schema": "app"},
    )


class ChannelRefund(Base):
    """A refund the operator has signed for a gateway channel, by its place in the contract's order.

    From its signing on the amount no longer counts as the channel's own: whoever holds the signature can have it
    mined, whatever became of our transaction, until the contract has moved on to the next nonce.
    """

    __tablename__ = "channel_refund"

    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    nonce: Mapped[UnitsColumn] = mapped_column(primary_key=True)
    units: Mapped[UnitsColumn]
    intent_id: Mapped[uuid.UUID]
    final: Mapped[bool] = mapped_column(default=False)
    """Whether a final block the mirror has read is past its nonce: the balance itself is lower by then."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("units > 0", name="units"), {"schema": "app"})
