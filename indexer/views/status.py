"""How the mirror is, for whoever has to keep it running."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from indexer.store.tables import cursor, dead_letter, health, meta, missing_range
from indexer.views.sync import MirrorEmptyError


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRange:
    """Blocks the indexer has passed over for now, and why."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorStatus:
    """What the indexer says of itself and how far it is. Ages in seconds, by the time of the blocks.

    `state` is `ok`, `stalled` (waits for something and goes on) or `stopped` (needs a person). `dead_letters` counts
    logs above the newest block taken that nobody could decode: the stream stands before the first of them.
    """

    version: int
    epoch: int
    state: str
    reason: str
    since: datetime | None
    head_number: int
    safe_number: int
    finalized_number: int
    updated_at: datetime
    lag_seconds: int
    finality_age_seconds: int
    missing: tuple[MissingRange, ...]
    dead_letters: int


def mirror_status(s: Session, now: int) -> MirrorStatus:
    """Return how the mirror is at `now` (unix seconds). Raises MirrorEmptyError before the indexer's first block."""
    row = s.execute(select(cursor, meta.c.version).select_from(cursor).join(meta, meta.c.id == cursor.c.id))
    at = row.mappings().one_or_none()
    if at is None:
        raise MirrorEmptyError("the indexer has not started on this database")
    said = s.execute(select(health)).mappings().one_or_none()
    missing = s.execute(select(missing_range).order_by(missing_range.c.first)).mappings()
    letters = select(func.count()).select_from(dead_letter).where(dead_letter.c.block_number > at["number"])
    return MirrorStatus(
        version=at["version"],
        epoch=at["epoch"],
        state="ok" if said is None else said["state"],
        reason="" if said is None else said["reason"],
        since=None if said is None else said["since"],
        head_number=at["number"],
        safe_number=at["safe_number"],
        finalized_number=at["finalized_number"],
        updated_at=at["updated_at"],
        lag_seconds=max(0, now - at["block_time"]),
        finality_age_seconds=max(0, now - at["finalized_time"]),
        missing=tuple(MissingRange(first=row["first"], last=row["last"], reason=row["reason"]) for row in missing),
        dead_letters=s.execute(letters).scalar_one(),
    )
