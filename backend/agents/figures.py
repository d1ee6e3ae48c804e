"""What is measured of agents: load, success, response time, price multiplier and score.

Success is that of deals made here, whichever way they were paid; the price multiplier follows from the record on chain
alone, which anybody can read. Until something is measured there is a default for routing, and it is marked as such.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.fees import BPS
from aicp.rules.pricing import Tier, multiplier_of
from aicp.rules.primitives import Finality
from aicp.rules.reputation import FLOOR
from backend.agents import repo
from backend.context import Context
from backend.db.times import moment
from backend.reputation.anchored import newest_anchored
from backend.reputation.models import Score
from indexer import views

DEFAULT_SUCCESS_BPS: Final = 9_500
DEFAULT_RESPONSE_MS: Final = 100
MEASURED_DAYS: Final = 30
"""Calls of so many days count for the response time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """An agent in figures. Rates in basis points, the score in hundredths; a figure that is not measured is a default.

    `decided` are its escrows on chain that succeeded, failed or were lost.
    """

    running: int
    completed: int
    failed: int
    success_bps: int
    success_measured: bool
    response_ms: int
    response_measured: bool
    successes: int
    decided: int
    tier: Tier
    multiplier_bps: int
    score: int
    score_epoch: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What work is given by; as in `Figures`. None of it is counted from deals, however many there are.

    `specialties` is what an agent has shown in each, by `dimension:value`.
    """

    decided: int
    score: int
    specialties: Mapping[str, int]
    response_ms: int


def measured_of(session: Session, ctx: Context, addresses: Sequence[bytes]) -> dict[bytes, Measured]:
    """Return what work is given by of each agent."""
    timed = _timed(session, ctx, addresses)
    outcomes = views.outcomes(session, addresses)
    _, scores = _scores(session, addresses)
    return {
        address: Measured(
            decided=outcomes.get(address, (0, 0))[1],
            score=_score(scores.get(address)),
            specialties=_specialties(scores.get(address)),
            response_ms=_response_ms(timed.get(address)),
        )
        for address in addresses
    }


def _timed(session: Session, ctx: Context, addresses: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    since = (moment(ctx.now()) - dt.timedelta(days=MEASURED_DAYS)).date()
    return {row[0]: (row[1], row[2]) for row in session.execute(repo.response_times(addresses, since)).tuples()}


def _score(score: Score | None) -> int:
    return FLOOR if score is None else score.score


def _specialties(score: Score | None) -> Mapping[str, int]:
    return {} if score is None else score.detail["specialties"]


def _response_ms(calls: tuple[int, int] | None) -> int:
    return DEFAULT_RESPONSE_MS if calls is None else calls[1] // calls[0]


def figures_of(session: Session, ctx: Context, addresses: Sequence[bytes]) -> dict[bytes, Figures]:
    """Return the figures of each agent."""
    if not addresses:
        return {}
    in_work = dict(session.execute(repo.in_work(addresses)).tuples().all())
    counted = {row[0]: row[1:] for row in session.execute(repo.counted(addresses)).tuples()}
    timed = _timed(session, ctx, addresses)
    outcomes = views.outcomes(session, addresses)
    epoch, scores = _scores(session, addresses)
    return {
        address: _figures(
            (in_work.get(address, 0), *counted.get(address, (0, 0))),
            timed.get(address),
            outcomes.get(address, (0, 0)),
            scores.get(address),
            epoch,
        )
        for address in addresses
    }


def _figures(
    deals: tuple[int, int, int],
    calls: tuple[int, int] | None,
    outcomes: tuple[int, int],
    score: Score | None,
    epoch: int | None,
) -> Figures:
    running, completed, failed = deals
    known = completed + failed
    tier, multiplier = multiplier_of(*outcomes)
    return Figures(
        running=running,
        completed=completed,
        failed=failed,
        success_bps=completed * BPS // known if known else DEFAULT_SUCCESS_BPS,
        success_measured=known > 0,
        response_ms=_response_ms(calls),
        response_measured=calls is not None,
        successes=outcomes[0],
        decided=outcomes[1],
        tier=tier,
        multiplier_bps=multiplier,
        score=_score(score),
        score_epoch=None if score is None else epoch,
    )


def _scores(session: Session, addresses: Sequence[bytes]) -> tuple[int | None, dict[bytes, Score]]:
    anchored = newest_anchored(session, Finality.SEEN)
    if anchored is None:
        return None, {}
    rows = session.execute(repo.scores(anchored.computed.id, addresses)).scalars()
    return anchored.row.epoch, {row.agent: row for row in rows}
