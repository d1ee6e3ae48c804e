"""What a webhook and a mailbox get for a notification. Pure but for the clock's reading, which is an argument."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from aicp.rules.primitives import checksum
from aicp.rules.webhooks import HEADER, ID_HEADER, signature
from backend.notifications.mail import Letter
from backend.notifications.models import Dispatch, Notification, Subscription
from backend.notifications.schemas import notification_out
from backend.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The body and the headers of one request."""

    body: bytes
    headers: dict[str, str]


def message_of(dispatch: Dispatch, hook: Subscription, notification: Notification | None, now: int) -> Message:
    """Return what a webhook is sent at `now`; the body is the same at every try, the signature names the time."""
    body = json.dumps(_document(dispatch, hook, notification), separators=(",", ":"), sort_keys=True).encode()
    assert hook.secret is not None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "AICP-Webhook/1",
        ID_HEADER: str(dispatch.id),
        HEADER: signature(hook.secret, now, body),
    }
    return Message(body=body, headers=headers)


def _document(dispatch: Dispatch, hook: Subscription, notification: Notification | None) -> dict[str, Any]:
    whole = {"id": str(dispatch.id), "webhook_id": str(hook.id), "account": checksum(hook.account)}
    if notification is None:
        return whole | {"kind": "ping", "at": dispatch.created_at.astimezone(dt.UTC).isoformat()}
    told = notification_out(notification).model_dump(mode="json", exclude={"id", "read"})
    return whole | told | {"notification_id": notification.id}


def letter_of(dispatch: Dispatch, box: Subscription, notification: Notification | None, settings: Settings) -> Letter:
    """Return the letter of a notification, or the one with the code of a mailbox that is not confirmed yet."""
    page = f"{settings.public_url.rstrip('/')}/notifications"
    if notification is None:
        lines: tuple[str, ...] = (
            f"Somebody who signed in to AICP as {checksum(box.account)} wants notifications sent to this address.",
            f"If that is you, enter this code within an hour at {page}", "", f"    {box.code or 'used already'}", "",
            "If it is not, do nothing: no further mail will come.",
        )  # fmt: skip
        return Letter(id=str(dispatch.id), to=box.target, subject="Confirm your address for AICP", text=_text(lines))
    link = page
    if notification.deal_id is not None:
        link = f"{settings.public_url.rstrip('/')}/deals/{notification.deal_id}"
    elif notification.task_id is not None:
        link = f"{settings.public_url.rstrip('/')}/tasks/{notification.task_id}"
    lines = (notification.sentence, "", link, "", f"You get this because you asked for it; to stop it: {page}")
    return Letter(id=str(dispatch.id), to=box.target, subject=notification.sentence, text=_text(lines))


def _text(lines: tuple[str, ...]) -> str:
    return "\n".join(lines) + "\n"
