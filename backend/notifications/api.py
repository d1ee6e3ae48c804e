"""The inbox, webhooks and mailboxes over HTTP. Everything here is the caller's own."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from backend.api.deps import AnySession, Ctx, CurrentSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page
from backend.domain.notices import NoticeKind
from backend.notifications import service, subscriptions
from backend.notifications.schemas import (
    CodeIn,
    DispatchOut,
    MailboxIn,
    MailboxOut,
    NewWebhookOut,
    NotificationOut,
    ReadIn,
    UnreadOut,
    WebhookIn,
    WebhookOut,
)

router = APIRouter(tags=["notifications"])


@router.get("/notifications")
async def list_notifications(
    read: Read,
    caller: AnySession,
    *,
    unread: bool = False,
    kind: NoticeKind | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[NotificationOut]:
    """List what the caller was told, newest first; with `unread` only what is not read."""
    return await read(lambda s: service.page(s, caller.address, unread=unread, kind=kind, cursor=cursor, limit=limit))


@router.get("/notifications/unread")
async def count_unread_notifications(read: Read, caller: AnySession) -> UnreadOut:
    """Return how many notifications wait to be read."""
    return await read(lambda s: service.unread(s, caller.address))


@router.post("/notifications/read")
async def mark_notifications_read(body: ReadIn, ctx: Ctx, write: Write, caller: CurrentSession) -> UnreadOut:
    """Mark notifications read, all up to an id or some by their ids, and return how many are left."""
    return await write(lambda s: service.mark_read(s, ctx, caller.address, body))


@router.get("/notifications/mailbox")
async def get_mailbox(ctx: Ctx, read: Read, caller: AnySession) -> MailboxOut:
    """Return where notifications are mailed to."""
    return await read(lambda s: subscriptions.mailbox(s, ctx, caller.address))


@router.post("/notifications/mailbox")
async def set_mailbox(body: MailboxIn, ctx: Ctx, write: Write, caller: CurrentSession) -> MailboxOut:
    """Mail a code to an address; notifications follow once the code has come back."""
    return await write(lambda s: subscriptions.set_mailbox(s, ctx, caller.address, body))


@router.post("/notifications/mailbox/confirm")
async def confirm_mailbox(body: CodeIn, ctx: Ctx, write: Write, caller: CurrentSession) -> MailboxOut:
    """Confirm the mailbox with the code that was mailed."""
    return await write(lambda s: subscriptions.confirm_mailbox(s, ctx, caller.address, body.code))


@router.delete("/notifications/mailbox", status_code=204)
async def delete_mailbox(ctx: Ctx, write: Write, caller: CurrentSession) -> None:
    """Mail nothing more."""
    await write(lambda s: subscriptions.end_mailbox(s, ctx, caller.address))


@router.get("/webhooks")
async def list_webhooks(read: Read, caller: CurrentSession) -> list[WebhookOut]:
    """List the caller's webhooks."""
    return await read(lambda s: subscriptions.webhooks(s, caller.address))


@router.post("/webhooks")
async def add_webhook(body: WebhookIn, ctx: Ctx, write: Write, caller: CurrentSession) -> NewWebhookOut:
    """Have notifications sent to a URL, signed with a secret that is shown this once."""
    return await write(lambda s: subscriptions.add_webhook(s, ctx, caller.address, body))


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: uuid.UUID, ctx: Ctx, write: Write, caller: CurrentSession) -> None:
    """Send nothing more to a webhook."""
    await write(lambda s: subscriptions.end_webhook(s, ctx, caller.address, webhook_id))


@router.post("/webhooks/{webhook_id}/ping")
async def ping_webhook(webhook_id: uuid.UUID, ctx: Ctx, write: Write, caller: CurrentSession) -> DispatchOut:
    """Have a message sent to a webhook that tells of nothing."""
    return await write(lambda s: subscriptions.ping(s, ctx, caller.address, webhook_id))


@router.get("/webhooks/{webhook_id}/dispatches")
async def list_dispatches(
    webhook_id: uuid.UUID, read: Read, caller: CurrentSession, cursor: Cursor = None, limit: Limit = 20
) -> Page[DispatchOut]:
    """List what was sent to a webhook with every try, newest first."""
    return await read(lambda s: subscriptions.log(s, caller.address, webhook_id, cursor=cursor, limit=limit))


@router.post("/webhooks/{webhook_id}/dispatches/{dispatch_id}/again")
async def send_dispatch_again(
    webhook_id: uuid.UUID, dispatch_id: uuid.UUID, ctx: Ctx, write: Write, caller: CurrentSession
) -> DispatchOut:
    """Send something again, under its old id."""
    return await write(lambda s: subscriptions.send_again(s, ctx, caller.address, webhook_id, dispatch_id))
