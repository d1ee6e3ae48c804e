"""Payments below the threshold: pools, channels, ceilings, orders, receipts.

Invariants kept by the database:
- `pool.reserved_units` and `pool.earned_units` never go negative and only move by the conditional UPDATE in repo.py,
- one receipt per (channel, total claimed), issued in order,
- vouchers are kept for ever; the channel row holds the highest.
"""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class Pool(Base):
    """Our side of a buyer's pool. available = chain headroom - reserved - earned (see indexer.views)."""

    __tablename__ = "pool"

    pool_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    payer: Mapped[AddressColumn] = mapped_column(index=True)
    payer_authorizer: Mapped[AddressColumn]
    operator: Mapped[AddressColumn]
    reserved_units: Mapped[UnitsColumn] = mapped_column(default=0)
    """Sum of prices of orders in flight."""
    earned_units: Mapped[UnitsColumn] = mapped_column(default=0)
    """Sum over its channels of cumulative receipts, claimed ones included."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("reserved_units >= 0", name="reserved"),
        CheckConstraint("earned_units >= 0", name="earned"),
        {"schema": "app"},
    )


class Channel(Base):
    """A marketplace channel: one (pool, agent). Ids follow from the config, so a row is made on first use."""

    __tablename__ = "channel"

    channel_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), index=True)
    receiver: Mapped[AddressColumn] = mapped_column(index=True)
    ceiling_units: Mapped[UnitsColumn] = mapped_column(default=0)
    ceiling_signature: Mapped[SignatureColumn | None]
    in_flight_units: Mapped[UnitsColumn] = mapped_column(default=0)
    earned_units: Mapped[UnitsColumn] = mapped_column(default=0)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("in_flight_units >= 0", name="in_flight"),
        CheckConstraint("earned_units + in_flight_units <= ceiling_units", name="ceiling"),
        {"schema": "app"},
    )


class Voucher(Base):
    """Every accepted ceiling, kept for audit."""

    __tablename__ = "voucher"

    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    ceiling_units: Mapped[UnitsColumn] = mapped_column(primary_key=True)
    signature: Mapped[SignatureColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class MicroOrder(Base):
    """One order of a session key. `state`: reserved, delivered, earned, void."""

    __tablename__ = "micro_order"

    order_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), unique=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), index=True)
    pool_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.pool.pool_id"), index=True)
    bid_hash: Mapped[HashColumn]
    price_units: Mapped[UnitsColumn]
    deliver_by: Mapped[int] = mapped_column(BigInteger)
    evaluate_by: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    state: Mapped[str] = mapped_column(Text, index=True)
    verdict_accepted: Mapped[bool | None]
    verdict_reason: Mapped[int | None] = mapped_column(SmallInteger)
    verdict_signature: Mapped[SignatureColumn | None]
    """Of the session key; absent where silence was the acceptance."""
    return_signature: Mapped[SignatureColumn | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("price_units > 0", name="price"),
        CheckConstraint("state in ('reserved', 'delivered', 'earned', 'void')", name="state"),
        {"schema": "app"},
    )


class Receipt(Base):
    """The operator's one-row ClaimBatch signature: exactly the arguments of `claimWithSignature`."""

    __tablename__ = "receipt"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), index=True)
    order_hash: Mapped[HashColumn] = mapped_column(ForeignKey("app.micro_order.order_hash"), unique=True)
    total_claimed_units: Mapped[UnitsColumn]
    ceiling_units: Mapped[UnitsColumn]
    voucher_signature: Mapped[SignatureColumn]
    operator: Mapped[AddressColumn]
    operator_signature: Mapped[SignatureColumn]
    acknowledged_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("channel_id", "total_claimed_units"),
        CheckConstraint("total_claimed_units <= ceiling_units", name="ceiling"),
        {"schema": "app"},
    )


class ClaimRow(Base):
    """One row of a claim batch on its way to the chain."""

    __tablename__ = "claim_row"

    intent_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    total_claimed_units: Mapped[UnitsColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)
