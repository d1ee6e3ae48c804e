"""The inbox: telling accounts of events, and what they have read.

An account is told in the transaction of the event, so it is told exactly if the event is; what was told before under
the same name changes nothing. With the row go the message to the account's open pages and one waiting dispatch for each
of its webhooks and its mailbox; nothing is sent from here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from backend.api import paging
from backend.api.types import Page
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.notices import MAX_TRIES, NoticeKind
from backend.notifications import repo
from backend.notifications.models import Notification
from backend.notifications.schemas import NotificationOut, ReadIn, UnreadOut, notification_out
from backend.notifications.sentences import sentence_of
from backend.outbox.service import emit_many

KEEP: Final = dt.timedelta(days=180)
AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An account to be told of an event, once; `event` is the event's name, `facts` what the sentence says."""

    account: bytes
    event: str
    kind: NoticeKind
    facts: Mapping[str, str] = field(default_factory=dict)
    task_id: uuid.UUID | None = None
    deal_id: uuid.UUID | None = None


def tell(session: Session, notices: Iterable[Notice]) -> int:
    """Tell accounts of events; return how many had not been told before."""
    rows = [_row(notice) for notice in notices]
    rows.sort(key=lambda row: row["account"])  # so that two who tell the same wait, and do not lock up
    done = 0
    for first in range(0, len(rows), AT_ONCE):
        done += _store(session, rows[first : first + AT_ONCE])
    return done


def _row(notice: Notice) -> dict[str, Any]:
    facts = dict(notice.facts)
    return {
        "account": notice.account, "event": notice.event, "kind": notice.kind.value,
        "sentence": sentence_of(notice.kind, facts), "facts": facts, "task_id": notice.task_id,
        "deal_id": notice.deal_id,
    }  # fmt: skip


def _store(session: Session, rows: list[dict[str, Any]]) -> int:
    new: list[Notification] = list(session.execute(repo.tell(rows)).scalars())
    if new:
        new.sort(key=lambda row: row.id)
        told = [({"notification": notification_out(row)}, [row.account]) for row in new]
        emit_many(session, "notification.created", told)
        _dispatch(session, new)
    return len(new)


def _dispatch(session: Session, new: list[Notification]) -> None:
    accounts = {row.account for row in new}
    wanted = list(session.execute(repo.live_subscriptions(list(accounts))).scalars())
    rows = [
        {
            "id": new_id(), "subscription_id": one.id, "notification_id": row.id, "state": "waiting", "tries": 0,
            "left": MAX_TRIES, "not_before": row.created_at.replace(microsecond=0),
        }
        for one in wanted
        for row in new
        if row.account == one.account and (one.kinds is None or row.kind in one.kinds)
    ]  # fmt: skip
    if rows:
        session.execute(repo.new_dispatches(), rows)


def page(
    session: Session, account: bytes, *, unread: bool, kind: NoticeKind | None, cursor: str | None, limit: int
) -> Page[NotificationOut]:
    """Return a page of an inbox, newest first. Raises InvalidInput for a foreign cursor."""
    after = paging.decode(cursor, paging.ROW_NUMBER, str)
    before = None if after is None else after[0]
    rows = list(
        session.execute(repo.inbox(account, unread=unread, kind=kind, before=before, limit=limit + 1)).scalars()
    )
    shown = rows[:limit]
    following = paging.encode(shown[-1].id, "") if len(rows) > limit else None
    return Page(items=[notification_out(row) for row in shown], next_cursor=following)


def unread(session: Session, account: bytes) -> UnreadOut:
    """Return how many notifications an account has not read."""
    return UnreadOut(unread=session.execute(repo.unread_count(account)).scalar_one())


def mark_read(session: Session, ctx: Context, account: bytes, given: ReadIn) -> UnreadOut:
    """Mark notifications of an account read and return how many are left; what is not its own stays as it is."""
    session.execute(repo.mark_read(account, given.up_to, given.ids, moment(ctx.now())))
    return unread(session, account)


def forget_old(session: Session, ctx: Context) -> int:
    """Delete a few notifications that are past their keeping time; return how many."""
    gone: Any = session.execute(repo.forget(moment(ctx.now()) - KEEP))
    return int(gone.rowcount)
