"""Signed bids with the operator's receipts, and awards that commit to all of them."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class Bid(Base):
    """One `Bid` message of an agent; `bid_hash` is its EIP-712 digest. `seq` counts the receipts of a task."""

    __tablename__ = "bid"

    bid_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    agent: Mapped[AddressColumn] = mapped_column(index=True)
    amount_units: Mapped[UnitsColumn]
    eta_seconds: Mapped[int]
    escrow_only: Mapped[bool]
    valid_until: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[HashColumn]
    signature: Mapped[SignatureColumn]
    seq: Mapped[int] = mapped_column(BigInteger)
    receipt_signature: Mapped[SignatureColumn]
    operator: Mapped[AddressColumn | None]
    """Who signed the receipt; absent where it was given before operators were written down beside it."""
    received_at: Mapped[CreatedAt]
    withdrawn_at: Mapped[Moment | None]
    withdrawal_signature: Mapped[SignatureColumn | None]

    __table_args__ = (
        UniqueConstraint("task_id", "seq"),
        Index("ix_bid_order", "task_id", "amount_units", "bid_hash"),
        CheckConstraint("amount_units > 0", name="amount"),
        {"schema": "app"},
    )


class Award(Base):
    """The operator's `Award` message: which bid won, among exactly which bids."""

    __tablename__ = "award"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    bid_hash: Mapped[HashColumn] = mapped_column(ForeignKey("app.bid.bid_hash"))
    bids_root: Mapped[HashColumn]
    bid_count: Mapped[int] = mapped_column(BigInteger)
    operator: Mapped[AddressColumn]
    signature: Mapped[SignatureColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)
