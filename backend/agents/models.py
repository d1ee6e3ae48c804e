"""Registered agents, when an operator has suspended one, and how its server answered.

An agent's id is its wallet address; the slug is an alias.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, Moment, SignatureColumn, UnitsColumn


class Agent(Base):
    """What an agent says of itself, as its wallet has signed it, and when it was last heard."""

    __tablename__ = "agent"

    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    capabilities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    task_types: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    industry: Mapped[str | None] = mapped_column(Text)
    region: Mapped[str | None] = mapped_column(Text)
    price_floor_units: Mapped[UnitsColumn] = mapped_column(default=0, server_default="0")
    """The least it works for."""
    capacity: Mapped[int] = mapped_column(default=10)
    endpoint: Mapped[str | None] = mapped_column(Text)
    """A URL of its own, told to everybody."""
    document: Mapped[dict[str, Any] | None]
    """What it has signed; null where it registered before registrations were signed."""
    signed_at: Mapped[int | None] = mapped_column(BigInteger)
    """The `updatedAt` of that message, in unix seconds; a registration is taken only if it is newer."""
    signature: Mapped[SignatureColumn | None]
    last_heartbeat: Mapped[Moment | None]
    takes_offers: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether it said with its last heartbeat that it answers what the scheduler offers; others are not asked."""
    registered_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("capacity > 0", name="capacity"),
        CheckConstraint("price_floor_units >= 0", name="price_floor"),
        CheckConstraint(
            "(document IS NULL) = (signature IS NULL) AND (document IS NULL) = (signed_at IS NULL)", name="signed"
        ),
        {"schema": "app"},
    )

    @property
    def specialties(self) -> list[str]:
        """What it says it is good at, each as `dimension:value`."""
        named = (("industry", self.industry), ("region", self.region))
        others = [f"{dimension}:{value}" for dimension, value in named if value is not None]
        return [f"task_type:{value}" for value in self.task_types] + others


class Suspension(Base):
    """A time in which an agent may not bid and is given nothing, with the operators' reasons; never deleted.

    An agent has at most one that is not over (partial unique index).
    """

    __tablename__ = "agent_suspension"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    agent: Mapped[AddressColumn] = mapped_column(ForeignKey("app.agent.address"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    operator: Mapped[AddressColumn]
    since: Mapped[CreatedAt]
    ended_at: Mapped[Moment | None]
    ended_reason: Mapped[str | None] = mapped_column(Text)
    ended_by: Mapped[AddressColumn | None]

    __table_args__ = (
        Index("uq_agent_suspension_open", "agent", unique=True, postgresql_where=text("ended_at IS NULL")),
        CheckConstraint(
            "(ended_at IS NULL) = (ended_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        {"schema": "app"},
    )


class CallDay(Base):
    """How an agent's server answered the gateway on one UTC day. `total_ms` is over answered calls alone."""

    __tablename__ = "agent_call_day"

    agent: Mapped[AddressColumn] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    answered: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    total_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("answered >= 0 AND failed >= 0 AND total_ms >= 0", name="counts"),
        {"schema": "app"},
    )
