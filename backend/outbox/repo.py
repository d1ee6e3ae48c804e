"""Statements of the outbox: events without a number yet, numbered events, and stored answers."""

from __future__ import annotations

import datetime as dt
from typing import Final, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Delete,
    Insert,
    Select,
    Table,
    TextClause,
    Update,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from backend.outbox.models import OutboxEvent, StoredAnswer

NUMBERING_LOCK: Final = 7_104_220_531
NEW_EVENTS_CHANNEL: Final = "aicp_outbox"
NUMBERED_CHANNEL: Final = "aicp_events"


def insert_events() -> Insert:
    """Store events without a number; executed with a list of type, payload and audience."""
    return insert(cast(Table, OutboxEvent.__table__))  # without the ORM's work for each row


def notify(channel: str, said: str = "") -> TextClause:
    """Ring a channel when the transaction commits; the same ring twice in a transaction is one."""
    return text("SELECT pg_notify(:channel, :said)").bindparams(channel=channel, said=said)


def try_numbering_lock() -> TextClause:
    """Return whether this transaction is the only one that numbers events."""
    return text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=NUMBERING_LOCK)


def unnumbered(limit: int) -> Select[int]:
    """Ids of committed events that have no number yet, oldest first."""
    return select(OutboxEvent.id).where(OutboxEvent.seq.is_(None)).order_by(OutboxEvent.id).limit(limit)


def newest_seq() -> Select[int]:
    """The highest number given so far, 0 before the first."""
    return select(func.coalesce(func.max(OutboxEvent.seq), 0))


def oldest_seq() -> Select[int | None]:
    """The lowest number still kept."""
    return select(func.min(OutboxEvent.seq))


def give_numbers(ids: list[int], first: int) -> Update:
    """Number the events in the order of `ids`, counting from `first`."""
    order = select(
        func.unnest(literal(ids, ARRAY(BigInteger))).label("id"),
        func.generate_series(first, first + len(ids) - 1).label("seq"),
    ).subquery()
    numbered = update(OutboxEvent).where(OutboxEvent.id == order.c.id).values(seq=order.c.seq)
    return numbered.execution_options(synchronize_session=False)


def events_between(after: int, until: int, limit: int) -> Select[OutboxEvent]:
    """Numbered events with after < seq <= until, in order."""
    return (
        select(OutboxEvent)
        .where(OutboxEvent.seq > after, OutboxEvent.seq <= until)
        .order_by(OutboxEvent.seq)
        .limit(limit)
    )


def delete_events_before(moment: dt.datetime, keep_seq: int) -> Delete:
    """Delete old numbered events; the newest one stays, because the next number follows from it."""
    return delete(OutboxEvent).where(OutboxEvent.created_at < moment, OutboxEvent.seq < keep_seq)


def lock_answer(address: bytes, key: str, route: str) -> TextClause:
    """Wait until no other transaction works under the same Idempotency-Key."""
    return text("SELECT pg_advisory_xact_lock(hashtextextended(:scope, 0))").bindparams(
        scope=f"{address.hex()}|{route}|{key}"
    )


def stored_answer(address: bytes, key: str, route: str) -> Select[StoredAnswer]:
    """The answer given under this key, if any."""
    return select(StoredAnswer).where(
        StoredAnswer.address == address, StoredAnswer.key == key, StoredAnswer.route == route
    )


def delete_answers_before(moment: dt.datetime) -> Delete:
    """Forget old answers."""
    return delete(StoredAnswer).where(StoredAnswer.created_at < moment)
