"""Webhooks and mailboxes: where an account has its notifications sent besides the inbox, and the log of what was sent.

A webhook's secret is told once, when it is made. A mailbox gets nothing but a code before the code has come back, and
codes are few a day for an account and for an address, so that nobody can have us fill a stranger's mailbox.
"""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
import uuid
from typing import Final, Literal
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from backend.api import paging
from backend.api.types import Page
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.notices import MAX_TRIES, NoticeKind
from backend.errors import NotFound, WrongState
from backend.notifications import repo
from backend.notifications.errors import CodeWrong, MailLimit, MailOff, TooManyWebhooks, WebhookRefused
from backend.notifications.models import Dispatch, DispatchTry, Subscription
from backend.notifications.schemas import (
    DispatchOut,
    MailboxIn,
    MailboxOut,
    NewWebhookOut,
    WebhookIn,
    WebhookOut,
    dispatch_out,
    kinds_of,
    webhook_out,
)
from backend.x402.reasons import UpstreamRefused
from backend.x402.upstream import check_url

MOST: Final = 10
CODE_LIFE: Final = dt.timedelta(hours=1)
CODES_A_DAY: Final = 5
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def add_webhook(session: Session, ctx: Context, account: bytes, given: WebhookIn) -> NewWebhookOut:
    """Have notifications sent to a URL. Raises WebhookRefused, TooManyWebhooks."""
    _check_url(ctx, given.url)
    session.execute(repo.lock_account(account))
    if len(session.execute(repo.webhooks(account)).scalars().all()) >= MOST:
        raise TooManyWebhooks(most=MOST, what_to_do="Delete one that you do not need.")
    secret = "whsec_" + secrets.token_urlsafe(32)
    row = _new(ctx, account, "webhook", given.url, given.kinds)
    row.secret, row.confirmed_at = secret, row.created_at
    session.add(row)
    session.flush()
    return NewWebhookOut(**dict(webhook_out(row)), secret=secret)


def _check_url(ctx: Context, url: str) -> None:
    local = ctx.settings.gateway_local_upstreams
    try:
        check_url(url, allow_local=local)
    except UpstreamRefused as error:
        raise WebhookRefused("A webhook is a URL at a public address, without user and fragment.") from error
    if urlsplit(url).scheme != "https" and not local:
        raise WebhookRefused("A webhook is an https URL.")


def _new(
    ctx: Context,
    account: bytes,
    channel: Literal["webhook", "email"],
    target: str,
    kinds: list[NoticeKind] | None,
) -> Subscription:
    return Subscription(
        id=new_id(), account=account, channel=channel, target=target, kinds=_names(kinds), secret=None, code=None,
        code_expires_at=None, confirmed_at=None, ended_at=None, created_at=moment(ctx.now()),
    )  # fmt: skip


def _names(kinds: list[NoticeKind] | None) -> list[str] | None:
    return None if kinds is None else sorted({kind.value for kind in kinds})


def webhooks(session: Session, account: bytes) -> list[WebhookOut]:
    """Return an account's webhooks, oldest first."""
    return [webhook_out(row) for row in session.execute(repo.webhooks(account)).scalars()]


def _webhook(session: Session, account: bytes, webhook_id: uuid.UUID) -> Subscription:
    row = session.execute(repo.webhook(account, webhook_id)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such webhook of yours.")
    return row


def _end(session: Session, ctx: Context, row: Subscription) -> None:
    if row.ended_at is None:
        row.ended_at = moment(ctx.now())
        row.code = None
        session.flush()
        session.execute(repo.end_dispatches(row.id))


def end_webhook(session: Session, ctx: Context, account: bytes, webhook_id: uuid.UUID) -> None:
    """Send nothing more to a webhook, also not what waits; a second time changes nothing. Raises NotFound."""
    _end(session, ctx, _webhook(session, account, webhook_id))


def ping(session: Session, ctx: Context, account: bytes, webhook_id: uuid.UUID) -> DispatchOut:
    """Have a message without a notification sent, to see whether it arrives. Raises NotFound, WrongState."""
    hook = _webhook(session, account, webhook_id)
    if hook.ended_at is not None:
        raise WrongState("The webhook is deleted.")
    row = _wait(session, ctx, hook)
    return dispatch_out(row, None, [])


def _wait(session: Session, ctx: Context, row: Subscription) -> Dispatch:
    now = moment(ctx.now())
    waiting = Dispatch(
        id=new_id(), subscription_id=row.id, notification_id=None, state="waiting", tries=0, left=MAX_TRIES,
        not_before=now, created_at=now,
    )  # fmt: skip
    session.add(waiting)
    session.flush()
    return waiting


def log(
    session: Session, account: bytes, webhook_id: uuid.UUID, *, cursor: str | None, limit: int
) -> Page[DispatchOut]:
    """Return what was sent to a webhook, newest first. Raises NotFound, InvalidInput for a foreign cursor."""
    hook = _webhook(session, account, webhook_id)
    after = paging.decode(cursor, paging.ROW_NUMBER, uuid.UUID)
    rows = session.execute(repo.log(hook.id, None if after is None else after[1], limit + 1)).tuples().all()
    shown = rows[:limit]
    tries: dict[uuid.UUID, list[DispatchTry]] = {}
    for one in session.execute(repo.tries_of([row.id for row, _ in shown])).scalars():
        tries.setdefault(one.dispatch_id, []).append(one)
    following = paging.encode(0, shown[-1][0].id) if len(rows) > limit else None
    return Page(
        items=[dispatch_out(row, kind, tries.get(row.id, [])) for row, kind in shown], next_cursor=following
    )  # fmt: skip


def send_again(
    session: Session, ctx: Context, account: bytes, webhook_id: uuid.UUID, dispatch_id: uuid.UUID
) -> DispatchOut:
    """Send something again under its old id, with all its tries anew. Raises NotFound, WrongState."""
    hook = _webhook(session, account, webhook_id)
    found = session.execute(repo.dispatch(hook.id, dispatch_id)).tuples().one_or_none()
    if found is None:
        raise NotFound("There is no such message of this webhook.")
    if hook.ended_at is not None:
        raise WrongState("The webhook is deleted.")
    row, kind = found
    if row.state == "waiting":
        raise WrongState("The message is on its way.", state=row.state)
    row.state, row.left, row.not_before = "waiting", MAX_TRIES, moment(ctx.now())
    session.flush()
    return dispatch_out(row, kind, list(session.execute(repo.tries_of([row.id])).scalars()))


def mailbox(session: Session, ctx: Context, account: bytes) -> MailboxOut:
    """Return an account's mailbox; without an address where it has none."""
    return _mailbox_out(ctx, session.execute(repo.mailbox(account)).scalar_one_or_none())


def _mailbox_out(ctx: Context, row: Subscription | None) -> MailboxOut:
    return MailboxOut(
        available=bool(ctx.settings.smtp_host),
        address=None if row is None else row.target,
        kinds=None if row is None else kinds_of(row),
        confirmed=row is not None and row.confirmed_at is not None,
    )


def set_mailbox(session: Session, ctx: Context, account: bytes, given: MailboxIn) -> MailboxOut:
    """Mail a code to an address, which takes the place of the account's mailbox; the same address keeps what it is.

    Raises MailOff, MailLimit.
    """
    if not ctx.settings.smtp_host:
        raise MailOff
    session.execute(repo.lock_account(account))
    now = moment(ctx.now())
    old = session.execute(repo.mailbox(account)).scalar_one_or_none()
    if old is not None and old.target == given.address and old.confirmed_at is not None:
        old.kinds = _names(given.kinds)
        session.flush()
        return _mailbox_out(ctx, old)
    lately = repo.codes_since(account, given.address, now - dt.timedelta(days=1))
    if session.execute(lately).scalar_one() >= CODES_A_DAY:
        raise MailLimit(what_to_do="Try again tomorrow.")
    if old is not None:
        _end(session, ctx, old)
    row = _new(ctx, account, "email", given.address, given.kinds)
    row.code = "".join(secrets.choice(_LETTERS) for _ in range(8))
    row.code_expires_at = now + CODE_LIFE
    session.add(row)
    session.flush()
    _wait(session, ctx, row)
    return _mailbox_out(ctx, row)


def confirm_mailbox(session: Session, ctx: Context, account: bytes, code: str) -> MailboxOut:
    """Begin to mail notifications, on the code that was mailed. Raises NotFound, CodeWrong."""
    session.execute(repo.lock_account(account))
    row = session.execute(repo.mailbox(account)).scalar_one_or_none()
    if row is None:
        raise NotFound("You have no mailbox here.")
    if row.confirmed_at is not None:
        return _mailbox_out(ctx, row)
    now = moment(ctx.now())
    late = row.code_expires_at is None or row.code_expires_at <= now
    if late or row.code is None or not hmac.compare_digest(row.code, code):
        raise CodeWrong(what_to_do="Look at the newest mail, or have another code sent.")
    row.code, row.confirmed_at = None, now
    session.flush()
    return _mailbox_out(ctx, row)


def end_mailbox(session: Session, ctx: Context, account: bytes) -> None:
    """Mail nothing more to an account; without a mailbox nothing changes."""
    session.execute(repo.lock_account(account))
    row = session.execute(repo.mailbox(account)).scalar_one_or_none()
    if row is not None:
        _end(session, ctx, row)
