"""Reads of what follows a deal: disputes, ratings, anchored epochs of scores."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.dispute import dispute as disputes
from indexer.projections.dispute import dispute_event as events
from indexer.projections.dispute import rating
from indexer.projections.reputation import score_epoch
from indexer.views.asof import as_of
from indexer.views.sync import before, bound, cursor_of, marks, origin_of
from indexer.views.types import DisputeRow, RatingRow, ScoreEpochRow

MAX_RATINGS = 200
_FIXED = ("raised_by", "evidence_hash", "raised_at", "respond_by", "arbiter")
_RUNNING = ("escrow_id", "dispute_id", "decide_by", "ruling", "defaulted", "bond_units", "bond_left_units", "fee_units")
_RATING = ("escrow_id", "rater", "ratee", "score", "comment_hash", "settled_units")
_EPOCH = ("epoch", "root", "leaf_count", "manifest_hash", "uri", "anchored_at", "active_at", "vetoed")


def dispute(s: Session, escrow_id: bytes, min_finality: Finality) -> DisputeRow | None:
    """Return the escrow's dispute as of the newest block of this finality, or None if none was raised by then."""
    statement = (
        select(events, *(disputes.c[name] for name in _FIXED), *marks())
        .join(disputes, disputes.c.escrow_id == events.c.escrow_id)
        .where(events.c.escrow_id == escrow_id, events.c.block_number <= bound(min_finality))
        .order_by(events.c.block_number.desc(), events.c.log_index.desc())
        .limit(1)
    )
    row = s.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    return DisputeRow(origin=origin_of(row), **{name: row[name] for name in (*_FIXED, *_RUNNING)})


def ratings(s: Session, escrow_id: bytes, min_finality: Finality = Finality.SEEN) -> list[RatingRow]:
    """Return the ratings given over an escrow by the newest block of this finality, oldest first: one a side."""
    until = rating.c.block_number <= bound(min_finality)
    statement = select(rating, *marks()).where(rating.c.escrow_id == escrow_id, until)
    rows = s.execute(statement.order_by(rating.c.block_number, rating.c.log_index)).mappings()
    return [
        RatingRow(cursor=cursor_of(row), origin=origin_of(row), **{name: row[name] for name in _RATING}) for row in rows
    ]


def ratings_of(
    s: Session, ratee: bytes, cursor: str | None, limit: int, min_finality: Finality = Finality.SEEN
) -> list[RatingRow]:
    """Return the ratings an account got, newest first, after `cursor` (the last row's `cursor`).

    Only those of blocks of at least this finality. At most 200 rows. Raises ValueError for a cursor this function did
    not make.
    """
    until = rating.c.block_number <= bound(min_finality)
    statement = select(rating, *marks()).where(rating.c.ratee == ratee, until)
    if cursor is not None:
        statement = statement.where(before(rating, cursor))
    ordered = statement.order_by(rating.c.block_number.desc(), rating.c.log_index.desc())
    rows = s.execute(ordered.limit(min(limit, MAX_RATINGS))).mappings()
    return [
        RatingRow(cursor=cursor_of(row), origin=origin_of(row), **{name: row[name] for name in _RATING}) for row in rows
    ]


def score_epochs(s: Session, limit: int, min_finality: Finality = Finality.SEEN) -> list[ScoreEpochRow]:
    """Return the anchored epochs as of the newest block of this finality, vetoed ones included, newest first."""
    epochs = as_of(score_epoch, min_finality)
    rows = s.execute(select(epochs).order_by(epochs.c.epoch.desc()).limit(limit)).mappings()
    return [ScoreEpochRow(**{name: row[name] for name in _EPOCH}) for row in rows]


def score_epochs_of(s: Session, numbers: Sequence[int], min_finality: Finality) -> list[ScoreEpochRow]:
    """Return those of the epochs with these numbers that are anchored by the newest block of this finality."""
    epochs = as_of(score_epoch, min_finality)
    rows = s.execute(select(epochs).where(epochs.c.epoch.in_(numbers))).mappings()
    return [ScoreEpochRow(**{name: row[name] for name in _EPOCH}) for row in rows]
