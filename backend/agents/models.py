"""Registered agents. An agent's id is its wallet address; the slug is an alias."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, Moment


class Agent(Base):
    """What an agent says of itself, and when it was last heard."""

    __tablename__ = "agent"

    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    capabilities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    capacity: Mapped[int] = mapped_column(default=10)
    last_heartbeat: Mapped[Moment | None]
    registered_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("capacity > 0", name="capacity"), {"schema": "app"})
