"""Notifications, where their accounts have them sent besides the inbox, and every sending with its tries.

Invariants kept by the database: an account is told of an event once; it has one mailbox at a time.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, Moment


class Notification(Base):
    """What an account is told of one event, written in the same commit as the event."""

    __tablename__ = "notification"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    account: Mapped[AddressColumn]
    event: Mapped[str] = mapped_column(Text)
    """Names the event, so that it is told once."""
    kind: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]]
    """What the sentence is made of, each as text."""
    task_id: Mapped[uuid.UUID | None]
    deal_id: Mapped[uuid.UUID | None]
    """The deal where the account may read it."""
    created_at: Mapped[CreatedAt]
    read_at: Mapped[Moment | None]

    __table_args__ = (
        UniqueConstraint("account", "event"),
        Index("ix_notification_inbox", "account", "id"),
        Index("ix_notification_unread", "account", "id", postgresql_where=text("read_at IS NULL")),
        {"schema": "app"},
    )


class Subscription(Base):
    """Where an account has its notifications sent: a webhook's URL, or a mailbox. It ends, and stays for its log."""

    __tablename__ = "subscription"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account: Mapped[AddressColumn]
    channel: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    """URL or mail address."""
    kinds: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Kinds that are sent; null means all."""
    secret: Mapped[str | None] = mapped_column(Text)
    """Signs what a webhook gets; shown once, when it is made."""
    code: Mapped[str | None] = mapped_column(Text)
    """What was mailed to a mailbox whose owner has not confirmed it yet."""
    code_expires_at: Mapped[Moment | None]
    confirmed_at: Mapped[Moment | None]
    """Nothing but the code is sent before."""
    ended_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("ix_subscription_live", "account", postgresql_where=text("ended_at IS NULL")),
        Index(
            "uq_subscription_mailbox",
            "account",
            unique=True,
            postgresql_where=text("ended_at IS NULL AND channel = 'email'"),
        ),
        Index("ix_subscription_target", "target"),
        CheckConstraint("channel in ('webhook', 'email')", name="channel"),
        CheckConstraint("(channel = 'webhook') = (secret IS NOT NULL)", name="secret"),
        {"schema": "app"},
    )


class Dispatch(Base):
    """A notification on its way to a subscription; without a notification a ping, or the mail with the code.

    At least once, under the same id: `tries` grows before a try is made, and only the newest try's outcome counts.
    """

    __tablename__ = "dispatch"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.subscription.id"))
    notification_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("app.notification.id", ondelete="CASCADE"), index=True
    )
    state: Mapped[str] = mapped_column(Text, default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    left: Mapped[int]
    """Tries it has left before it is given up."""
    not_before: Mapped[Moment]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index("ix_dispatch_due", "not_before", postgresql_where=text("state = 'waiting'")),
        Index("ix_dispatch_log", "subscription_id", "id"),
        CheckConstraint("state in ('waiting', 'sent', 'dead')", name="state"),
        CheckConstraint('tries >= 0 AND "left" >= 0', name="counts"),
        {"schema": "app"},
    )


class DispatchTry(Base):
    """One try and what came of it. A try cut short by a crash has no row."""

    __tablename__ = "dispatch_try"

    dispatch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.dispatch.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment]
    milliseconds: Mapped[int]
    status: Mapped[int | None]
    """What the server answered, where it did."""
    problem: Mapped[str | None] = mapped_column(Text)
    """Null where it was taken; a word of ours, never what the other side said."""

    __table_args__ = ({"schema": "app"},)
