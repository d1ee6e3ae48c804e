"""Signed bids, open or sealed, with the operator's receipts, and awards that commit to all of them."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn

Decided = Literal["buyer", "rule", "order"]
"""Who awarded: the buyer, the published rule, or the buyer beforehand by a signed `TaskOrder`."""


class Bid(Base):
    """One `Bid` message of an agent; `seq` counts the receipts of a task.

    `bid_hash` is what was receipted: the digest of the `Bid` or, where bids are sealed, of the `BidCommit` that it was
    shown for; receipt, time and number are then the commit's.
    """

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
    commitment: Mapped[HashColumn | None]
    """The digest of the `Bid`, where a `BidCommit` came first; absent where bids are open."""
    commit_signature: Mapped[SignatureColumn | None]
    """The agent's, of the `BidCommit`."""
    reveal_receipt_signature: Mapped[SignatureColumn | None]
    """The operator's `BidReceipt` of the digest of the `Bid`, under the commit's number: that it was shown in time."""

    __table_args__ = (
        UniqueConstraint("task_id", "seq"),
        Index("ix_bid_order", "task_id", "amount_units", "bid_hash"),
        CheckConstraint("amount_units > 0", name="amount"),
        CheckConstraint("num_nulls(commitment, commit_signature, reveal_receipt_signature) IN (0, 3)", name="sealed"),
        {"schema": "app"},
    )


class BidCommit(Base):
    """One `BidCommit` message; `bid_hash` is its digest and `commitment` that of the `Bid` it hides.

    What it hides is known to nobody here until the agent shows it; then there is a `Bid` of the same hash and number.
    """

    __tablename__ = "bid_commit"

    bid_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    agent: Mapped[AddressColumn] = mapped_column(index=True)
    commitment: Mapped[HashColumn]
    valid_until: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    seq: Mapped[int] = mapped_column(BigInteger)
    receipt_signature: Mapped[SignatureColumn]
    operator: Mapped[AddressColumn]
    received_at: Mapped[CreatedAt]
    revealed_at: Mapped[Moment | None]
    withdrawn_at: Mapped[Moment | None]
    withdrawal_signature: Mapped[SignatureColumn | None]

    __table_args__ = (UniqueConstraint("task_id", "seq"), {"schema": "app"})


class TaskOrder(Base):
    """The buyer's `TaskOrder`: any bid up to its price may be awarded without asking him again."""

    __tablename__ = "task_order"

    order_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), unique=True)
    max_units: Mapped[UnitsColumn]
    valid_until: Mapped[int] = mapped_column(BigInteger)
    salt: Mapped[HashColumn]
    signature: Mapped[SignatureColumn]
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("max_units > 0", name="price"), {"schema": "app"})


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
    decided_by: Mapped[Decided] = mapped_column(Text)
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What the rule looked at and found: `aicp.rules.awarding.award_record`."""
    record_signature: Mapped[SignatureColumn | None]
    """The operator's `AwardInputs` over the hash of the record."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("decided_by IN ('buyer', 'rule', 'order')", name="decided_by"),
        CheckConstraint(
            "(decided_by = 'rule') = (record IS NOT NULL) AND (record IS NULL) = (record_signature IS NULL)",
            name="record",
        ),
        {"schema": "app"},
    )
