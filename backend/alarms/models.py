"""Alarms: one open row for each kind and subject, kept after it is over."""

from __future__ import annotations

import uuid

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, Moment


class Alarm(Base):
    """Something that is not as it should be. Open while `cleared_at` is null."""

    __tablename__ = "alarm"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    """Which key, node, pool or intent: an address or hash as 0x-hex, or a short name."""
    detail: Mapped[str] = mapped_column(Text)
    """One sentence for the operator; never a secret, never what people wrote."""
    times: Mapped[int] = mapped_column(default=1, server_default="1")
    """How often it was raised while it was open."""
    raised_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    """When it was raised last."""
    cleared_at: Mapped[Moment | None]
    cleared_by: Mapped[AddressColumn | None]
    """The operator who ended it; null where what raised it did."""

    __table_args__ = (
        Index("uq_alarm_open", "kind", "subject", unique=True, postgresql_where=text("cleared_at IS NULL")),
        CheckConstraint("times > 0", name="times"),
        {"schema": "app"},
    )
