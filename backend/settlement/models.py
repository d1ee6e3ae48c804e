"""What has been tried to claim what channels have earned, and to pay receivers what the chain has claimed."""

from __future__ import annotations

import uuid

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment, UnitsColumn


class ClaimTry(Base):
    """The newest try to claim a channel's earnings; one row a channel, written with the intent that carries the try."""

    __tablename__ = "claim_try"

    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    claimed_units: Mapped[UnitsColumn]
    """What the chain had claimed when this was tried: more than that, and the try has worked."""
    tries: Mapped[int]
    """How often it was tried while nothing more was claimed."""
    not_before: Mapped[Moment]
    """Until then a channel of which nothing was claimed is left alone, unless a withdrawal threatens it."""
    intent_id: Mapped[uuid.UUID | None]
    """Absent where a simulation has already shown that the chain refuses the receipt."""
    updated_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("tries > 0", name="tries"), {"schema": "app"})


class ClaimWish(Base):
    """An agent's wish to be claimed soon; open until the chain has claimed `total_units`."""

    __tablename__ = "claim_wish"

    channel_id: Mapped[HashColumn] = mapped_column(ForeignKey("app.channel.channel_id"), primary_key=True)
    total_units: Mapped[UnitsColumn]
    """What the channel had earned when the agent asked."""
    asked_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class Payout(Base):
    """The newest try to pay a receiver; one row a receiver, written with the intent that carries the try."""

    __tablename__ = "payout"

    receiver: Mapped[AddressColumn] = mapped_column(primary_key=True)
    settled_units: Mapped[UnitsColumn]
    """What the chain had paid the receiver when this was tried: more than that, and the try has worked."""
    tries: Mapped[int]
    """How often it was tried while nothing more was paid."""
    not_before: Mapped[Moment]
    """Until then a receiver who was not paid is left alone."""
    intent_id: Mapped[uuid.UUID | None]
    """Absent where a simulation has already shown that the receiver cannot be paid."""
    updated_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("tries > 0", name="tries"), {"schema": "app"})
