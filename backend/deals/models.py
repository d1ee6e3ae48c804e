"""Deals: what an award creates. One table for the deal, one for each thing its parties sign or state about it.

Invariants kept by the database:
- a party has at most one open offer to split an escrow (partial unique index),
- a role signs one release of an escrow to a total and a time once (primary key),
- a task has at most one live deal (partial unique index),
- a task has at most one live payment authorization (partial unique index), so a task is never charged twice,
- an escrow is linked to its deal by escrow id, never by job hash.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, SignatureColumn, UnitsColumn


class Deal(Base):
    """One awarded bid on its way to payment. `path` is `escrow` or `channel`; it never changes."""

    __tablename__ = "deal"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    award_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.award.id"))
    bid_hash: Mapped[HashColumn]
    path: Mapped[str] = mapped_column(Text)
    buyer: Mapped[AddressColumn] = mapped_column(index=True)
    agent: Mapped[AddressColumn] = mapped_column(index=True)
    verifier: Mapped[AddressColumn | None] = mapped_column(index=True)
    """Whom the task's document names as verifier; reads the deal and its results, signs releases."""
    price_units: Mapped[UnitsColumn]
    operator: Mapped[AddressColumn]
    """The operator key of the deal's epoch: channel configs and receipts stay with it."""
    live: Mapped[bool] = mapped_column(default=True)
    ended_reason: Mapped[str | None] = mapped_column(Text)
    counts_as: Mapped[str | None] = mapped_column(Text)
    """`completed` or `failed` in its agent's figures, None for neither; written with the move that decides it."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("uq_deal_live_task", "task_id", unique=True, postgresql_where="live"),
        Index("ix_deal_live_agent", "agent", "task_id", postgresql_where="live"),
        Index("ix_deal_counted", "agent", "counts_as", postgresql_where="counts_as IS NOT NULL"),
        CheckConstraint("price_units > 0", name="price"),
        CheckConstraint("path in ('escrow', 'channel')", name="path"),
        CheckConstraint("counts_as in ('completed', 'failed')", name="counts_as"),
        {"schema": "app"},
    )


class EscrowTerms(Base):
    """Terms composed for a deal. Lapsed terms stay as history; new ones get a new escrow id."""

    __tablename__ = "escrow_terms"

    escrow_id: Mapped[HashColumn] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    terms: Mapped[dict[str, Any]]
    """JSON of the contract's Terms struct, field names and order of the EIP-712 type."""
    accept_by: Mapped[int] = mapped_column(BigInteger)
    deliver_by: Mapped[int] = mapped_column(BigInteger)
    acceptance_due: Mapped[int] = mapped_column(BigInteger)
    """Unix seconds until which the agent may answer (composition + 60 s)."""
    acceptance_valid_until: Mapped[int | None] = mapped_column(BigInteger)
    acceptance_signature: Mapped[SignatureColumn | None]
    lapsed_at: Mapped[Moment | None]
    announced: Mapped[str | None] = mapped_column(Text)
    """What of the escrow on chain the parties were last told."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("uq_escrow_terms_current", "deal_id", unique=True, postgresql_where="lapsed_at IS NULL"),
        {"schema": "app"},
    )


class Authorization(Base):
    """The buyer's ERC-3009 authorization for an escrow. `state`: live, used, lapsed (final block past its expiry)."""

    __tablename__ = "authorization"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"))
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    escrow_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.escrow_terms.escrow_id"), index=True)
    valid_before: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    intent_id: Mapped[uuid.UUID]
    state: Mapped[str] = mapped_column(Text, default="live")
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("uq_authorization_live_task", "task_id", unique=True, postgresql_where="state = 'live'"),
        CheckConstraint("state in ('live', 'used', 'lapsed')", name="state"),
        {"schema": "app"},
    )


class Deliverable(Base):
    """What the agent handed in: the manifest `deliverable_hash` commits to, and the signature over it."""

    __tablename__ = "deliverable"

    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), primary_key=True)
    deliverable_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    manifest: Mapped[dict[str, Any]]
    valid_until: Mapped[int | None] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    intent_id: Mapped[uuid.UUID | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class DealAction(Base):
    """Any further signed act of a party on a deal (release, refund, cancellation) and the intent that carries it."""

    __tablename__ = "deal_action"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    actor: Mapped[AddressColumn]
    message: Mapped[dict[str, Any]]
    signature: Mapped[SignatureColumn | None]
    intent_id: Mapped[uuid.UUID | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class Evidence(Base):
    """What a party says in a dispute: the document `evidence_hash` commits to, its files named inside."""

    __tablename__ = "evidence"

    escrow_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.escrow_terms.escrow_id"), primary_key=True)
    evidence_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    party: Mapped[AddressColumn]
    document: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class SplitOffer(Base):
    """A party's signed offer to divide what is left. `state`: open, replaced by a newer one, accepted."""

    __tablename__ = "split_offer"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    escrow_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.escrow_terms.escrow_id"), index=True)
    offered_by: Mapped[AddressColumn]
    to_provider_units: Mapped[UnitsColumn]
    to_client_units: Mapped[UnitsColumn]
    valid_until: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[SignatureColumn]
    state: Mapped[str] = mapped_column(Text, default="open")
    acceptance: Mapped[SignatureColumn | None]
    """The other party's signature of the same split."""
    intent_id: Mapped[uuid.UUID | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("uq_split_offer_open", "escrow_id", "offered_by", unique=True, postgresql_where="state = 'open'"),
        CheckConstraint("state in ('open', 'replaced', 'accepted')", name="state"),
        CheckConstraint("to_provider_units >= 0 AND to_client_units >= 0", name="parts"),
        {"schema": "app"},
    )


class ReleaseSignature(Base):
    """One role's signature of a release of the escrow up to a total; enough roles of the same release pay it out."""

    __tablename__ = "release_signature"

    escrow_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.escrow_terms.escrow_id"), primary_key=True)
    role: Mapped[int] = mapped_column(primary_key=True)
    """The contract's number of the role."""
    cumulative_units: Mapped[UnitsColumn] = mapped_column(primary_key=True)
    valid_until: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    deal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.deal.id"), index=True)
    signer: Mapped[AddressColumn]
    signature: Mapped[SignatureColumn]
    intent_id: Mapped[uuid.UUID | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("cumulative_units > 0", name="cumulative"), {"schema": "app"})
