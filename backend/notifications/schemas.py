"""Notifications, webhooks and mailboxes on the wire."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from backend.api.types import Model, UtcTime
from backend.domain.notices import NoticeKind
from backend.notifications.models import Dispatch, DispatchTry, Notification, Subscription

NotificationId = Annotated[int, Field(ge=1, lt=2**53)]
Kinds = Annotated[list[NoticeKind], Field(min_length=1, max_length=len(NoticeKind))]


ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$"


class NotificationOut(Model):
    """What the account was told of one event."""

    id: NotificationId
    kind: NoticeKind
    sentence: str
    facts: dict[str, str]
    """What the sentence is made of: amounts in base units (`*_units`), times in unix seconds, scores in hundredths."""
    task_id: uuid.UUID | None
    deal_id: uuid.UUID | None
    at: UtcTime
    read: bool


class UnreadOut(Model):
    """How many notifications wait to be read; counting ends at 1000."""

    unread: int


class ReadIn(Model):
    """Which notifications are read: all up to an id, or some by their ids."""

    up_to: NotificationId | None = None
    ids: Annotated[list[NotificationId], Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.up_to is None) == (self.ids is None):
            raise ValueError("give either up_to or ids")
        return self


class WebhookIn(Model):
    """Where to send notifications, and which kinds; all where `kinds` is null."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    kinds: Kinds | None = None


class WebhookOut(Model):
    """A webhook of the caller's."""

    id: uuid.UUID
    url: str
    kinds: list[NoticeKind] | None
    created_at: UtcTime


class NewWebhookOut(WebhookOut):
    """A webhook just made, with the secret its messages are signed with. It is shown this once."""

    secret: str


class TryOut(Model):
    """One try to send something."""

    number: int
    at: UtcTime
    milliseconds: int
    status: int | None
    """What the server answered, where it did."""
    problem: Literal["address_refused", "no_answer", "too_slow", "answer_unusable", "status", "mail_refused"] | None
    """Null where it was taken."""


class DispatchOut(Model):
    """A notification on its way to a webhook. `id` stays the same over all tries."""

    id: uuid.UUID
    kind: NoticeKind | Literal["ping"]
    notification_id: int | None
    state: Literal["waiting", "sent", "dead"]
    next_try_at: UtcTime | None
    tries: list[TryOut]
    created_at: UtcTime


class MailboxIn(Model):
    """Where to mail notifications, and which kinds; all where `kinds` is null."""

    address: Annotated[str, Field(max_length=254, pattern=ADDRESS)]
    kinds: Kinds | None = None


class CodeIn(Model):
    """The code that was mailed."""

    code: Annotated[str, Field(pattern="^[A-Z2-7]{8}$")]


class MailboxOut(Model):
    """The caller's mailbox. Nothing but the code is sent there before it is confirmed."""

    available: bool
    """Whether this service sends mail at all."""
    address: str | None
    kinds: list[NoticeKind] | None
    confirmed: bool


def notification_out(row: Notification) -> NotificationOut:
    """Return a notification as its account sees it."""
    return NotificationOut(
        id=row.id, kind=NoticeKind(row.kind), sentence=row.sentence, facts=row.facts, task_id=row.task_id,
        deal_id=row.deal_id, at=row.created_at, read=row.read_at is not None,
    )  # fmt: skip


def kinds_of(row: Subscription) -> list[NoticeKind] | None:
    """Return the kinds a subscription is for."""
    return None if row.kinds is None else [NoticeKind(kind) for kind in row.kinds]


def webhook_out(row: Subscription) -> WebhookOut:
    """Return a webhook without its secret."""
    return WebhookOut(id=row.id, url=row.target, kinds=kinds_of(row), created_at=row.created_at)


def dispatch_out(row: Dispatch, kind: str | None, tries: list[DispatchTry]) -> DispatchOut:
    """Return a dispatch with its tries, oldest first; `kind` is that of its notification."""
    return DispatchOut.model_validate(
        {
            "id": row.id, "kind": kind or "ping", "notification_id": row.notification_id, "state": row.state,
            "next_try_at": row.not_before if row.state == "waiting" else None, "created_at": row.created_at,
            "tries": [
                {"number": t.number, "at": t.at, "milliseconds": t.milliseconds, "status": t.status,
                 "problem": t.problem}
                for t in tries
            ],
        }
    )  # fmt: skip
