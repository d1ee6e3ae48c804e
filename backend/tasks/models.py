"""Tasks: the signed-for document, its state, and how it got there."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, UnitsColumn


class Task(Base):
    """A posted task. `document` is what `task_hash` commits to (RFC 8785 JSON) and never changes."""

    __tablename__ = "task"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    buyer: Mapped[AddressColumn] = mapped_column(index=True)
    task_hash: Mapped[HashColumn] = mapped_column(unique=True)
    document: Mapped[dict[str, Any]]
    title: Mapped[str] = mapped_column(Text)
    capability: Mapped[str] = mapped_column(Text, index=True)
    budget_units: Mapped[UnitsColumn]
    escrow_only: Mapped[bool]
    verifier: Mapped[AddressColumn | None] = mapped_column(index=True)
    """Named by the buyer; part of the document."""
    deliver_within_seconds: Mapped[int]
    auction_ends_at: Mapped[Moment]
    """The end now: an extension may have moved it from the one in the document."""
    reveal_ends_at: Mapped[Moment | None]
    """Until when sealed bids are shown; absent where bids are open."""
    instant: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The scheduler offers it to one agent at a time. This and the two below are the document's, which is long."""
    urgency: Mapped[str] = mapped_column(Text)
    specialty: Mapped[str | None] = mapped_column(Text)
    """What it is about first, as `task_type:compute`."""
    state: Mapped[str] = mapped_column(Text, index=True)
    state_since: Mapped[CreatedAt]
    deal_id: Mapped[uuid.UUID | None]
    """The live deal, if any; ended deals keep their own row."""
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("budget_units > 0", name="budget"),
        Index("ix_task_listing", "state", "created_at", "id"),
        Index("ix_task_newest", "created_at", "id"),
        Index("ix_task_to_offer", "buyer", "capability", postgresql_where=text("instant AND state = 'open'")),
        Index(
            "ix_task_left", "buyer", "state_since",
            postgresql_where=text("instant AND state IN ('cancelled', 'expired')"),
        ),
        {"schema": "app"},
    )  # fmt: skip


class TaskTransition(Base):
    """One move of a task with the fact that justified it (signature, chain event, clock)."""

    __tablename__ = "task_transition"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    deal_id: Mapped[uuid.UUID | None]
    source: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any]]
    at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class TaskFile(Base):
    """A file of a task: an input of the buyer or, with a deal, a result of the agent."""

    __tablename__ = "task_file"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    deal_id: Mapped[uuid.UUID | None]
    role: Mapped[str] = mapped_column(Text)
    """`input` or `result`."""
    sha256: Mapped[HashColumn] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    media_type: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("task_id", "deal_id", "role", "name"), {"schema": "app"})
