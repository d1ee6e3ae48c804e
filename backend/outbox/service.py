"""Events and stored answers, both written in the same commit as what they speak of.

An event gets its number only after its transaction has committed: one numbering transaction at a time (an advisory
lock) gives the next numbers to whatever is committed by then. So numbers follow commits, and a reader that has seen
`seq` n never misses a smaller one. A crash before numbering loses nothing: the next round finds the rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from backend.errors import IdempotencyMismatch
from backend.outbox import repo
from backend.outbox.models import OutboxEvent, StoredAnswer
from backend.outbox.schemas import SERVER_EVENT

KEEP_EVENTS: Final = dt.timedelta(days=7)
KEEP_ANSWERS: Final = dt.timedelta(days=7)
NUMBERED_AT_ONCE: Final = 1000
_NO_TIME = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def emit(session: Session, event_type: str, payload: dict[str, Any], audience: Sequence[bytes] | None) -> None:
    """Announce an event when the transaction commits.

    `payload` holds the fields of the event's schema besides `type`, `seq` and `at`; `audience` the addresses that may
    see it, None for everybody. Raises pydantic's ValidationError when the payload is not that of the type.
    """
    emit_many(session, event_type, [(payload, audience)])


def emit_many(
    session: Session, event_type: str, events: Sequence[tuple[dict[str, Any], Sequence[bytes] | None]]
) -> None:
    """Announce several events of a type, each a payload and its audience; as `emit` does one."""
    if not events:
        return
    rows: list[dict[str, Any]] = []
    for payload, audience in events:
        event = SERVER_EVENT.validate_python({**payload, "type": event_type, "seq": 0, "at": _NO_TIME})
        body = event.model_dump(mode="json", exclude={"type", "seq", "at"})
        seen_by = None if audience is None else list(dict.fromkeys(audience))
        rows.append({"type": event_type, "payload": body, "audience": seen_by})
    session.execute(repo.insert_events(), rows)
    session.execute(repo.notify(repo.NEW_EVENTS_CHANNEL))


def number_events(session: Session, publisher: str) -> int:
    """Give numbers to committed events and return how many; 0 also while another process does it.

    The other publishers are rung, in the name of this one.
    """
    if not session.execute(repo.try_numbering_lock()).scalar_one():
        return 0
    ids = list(session.execute(repo.unnumbered(NUMBERED_AT_ONCE)).scalars())
    if ids:
        first = session.execute(repo.newest_seq()).scalar_one() + 1
        session.execute(repo.give_numbers(ids, first))
        session.execute(repo.notify(repo.NUMBERED_CHANNEL, publisher))
    return len(ids)


def newest_seq(session: Session) -> int:
    """Return the highest number given so far."""
    return session.execute(repo.newest_seq()).scalar_one()


def oldest_seq(session: Session) -> int | None:
    """Return the lowest number still kept, None when there is none."""
    return session.execute(repo.oldest_seq()).scalar_one()


def events_between(session: Session, after: int, until: int, limit: int) -> list[OutboxEvent]:
    """Return numbered events with after < seq <= until, in order, at most `limit`."""
    return list(session.execute(repo.events_between(after, until, limit)).scalars())


def message_of(event: OutboxEvent) -> dict[str, Any]:
    """Return the JSON message of a numbered event."""
    at = event.created_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return {"seq": event.seq, "type": event.type, "at": at, **event.payload}


def is_for(audience: Sequence[bytes] | None, address: bytes | None) -> bool:
    """Return whether an address (None: nobody signed in) belongs to an audience (None: everybody)."""
    return audience is None or (address is not None and address in audience)


def prune(session: Session, now: dt.datetime) -> None:
    """Delete events and stored answers past their keeping time."""
    session.execute(repo.delete_events_before(now - KEEP_EVENTS, newest_seq(session)))
    session.execute(repo.delete_answers_before(now - KEEP_ANSWERS))


def find_answer(session: Session, address: bytes, key: str, route: str, request_hash: bytes) -> StoredAnswer | None:
    """Return the answer stored under an Idempotency-Key, waiting for a request that is under way with it.

    Raises IdempotencyMismatch when the key was used with another request.
    """
    session.execute(repo.lock_answer(address, key, route))
    stored = session.execute(repo.stored_answer(address, key, route)).scalar_one_or_none()
    if stored is not None and stored.request_hash != request_hash:
        raise IdempotencyMismatch(what_to_do="Use a new Idempotency-Key for a new request.")
    return stored


def store_answer(
    session: Session,
    address: bytes,
    key: str,
    route: str,
    *,
    request_hash: bytes,
    status: int,
    answer: dict[str, Any],
) -> None:
    """Keep the answer for repeats of the same request."""
    session.add(
        StoredAnswer(address=address, key=key, route=route, request_hash=request_hash, status=status, answer=answer)
    )
