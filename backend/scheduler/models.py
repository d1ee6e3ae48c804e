"""What the scheduler has offered to whom and why, and what it owes newcomers.

Invariants kept by the database: a task has at most one offer without an answer, and is offered to an agent once
(partial unique indexes); an offer is answered once, and with a bid where it is taken.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, UnitsColumn

Answer = Literal["bid", "declined", "silent", "void"]
"""What became of an offer: the agent bid, said no, did not answer in time, or there was nothing to answer any more."""


class TaskOffer(Base):
    """A task offered to one agent: a decision of the rule, with its reasons, and the answer."""

    __tablename__ = "task_offer"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.task.id"), index=True)
    agent: Mapped[AddressColumn]
    max_units: Mapped[UnitsColumn]
    """What the buyer has signed for at most."""
    rule_version: Mapped[int]
    why: Mapped[str] = mapped_column(Text)
    points_bps: Mapped[int]
    """Of a perfect agent's points, rounded down."""
    refused: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """The best of the agents that were refused for each reason: agent, why, points_bps."""
    breaker_turn: Mapped[int] = mapped_column(BigInteger)
    """The turn of the agent's breaker that the offer was let through in."""
    offered_at: Mapped[CreatedAt]
    answer_until: Mapped[Moment]
    answer: Mapped[Answer | None] = mapped_column(Text)
    answered_at: Mapped[Moment | None]
    bid_hash: Mapped[HashColumn | None]

    __table_args__ = (
        Index("uq_task_offer_live", "task_id", unique=True, postgresql_where=text("answer IS NULL")),
        Index(
            "uq_task_offer_once", "task_id", "agent", unique=True,
            postgresql_where=text("answer IS DISTINCT FROM 'void'"),
        ),
        Index("ix_task_offer_waiting", "agent", postgresql_where=text("answer IS NULL")),
        CheckConstraint("answer IN ('bid', 'declined', 'silent', 'void')", name="answer"),
        CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answered"),
        CheckConstraint("(answer IS NOT DISTINCT FROM 'bid') = (bid_hash IS NOT NULL)", name="bid"),
        {"schema": "app"},
    )  # fmt: skip


class NewcomerCredit(Base):
    """What newcomers are owed after the last round, in basis points of a task; one row, whose lock is the round's."""

    __tablename__ = "newcomer_credit"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    credit: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("id = 1", name="one"), {"schema": "app"})
