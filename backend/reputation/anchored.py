"""The epoch whose scores count for readers: the newest that is on the chain, not vetoed, and computed here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from backend.reputation import repo
from backend.reputation.models import ScoreEpoch
from indexer import views

_LOOKED_AT: Final = 30
"""Epochs looked through for the newest that was not vetoed."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """An epoch as it was computed, and as the chain has it."""

    computed: ScoreEpoch
    row: views.ScoreEpochRow


def all_anchored(session: Session, finality: Finality) -> Iterator[Anchored]:
    """Yield the epochs that were not vetoed, as of this finality, newest first."""
    rows = [row for row in views.score_epochs(session, _LOOKED_AT, finality) if not row.vetoed]
    known = {
        one.manifest_hash: one
        for one in session.execute(repo.anchored([row.manifest_hash for row in rows])).scalars()
    }  # fmt: skip
    for row in rows:
        if (found := known.get(row.manifest_hash)) is not None and found.epoch == row.epoch:
            yield Anchored(found, row)


def newest_anchored(session: Session, finality: Finality) -> Anchored | None:
    """Return the newest epoch that gives scores, as of this finality; None before the first."""
    return next(all_anchored(session, finality), None)
