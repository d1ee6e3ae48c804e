"""Reads of scores: an agent's newest anchored score with its proof, the leaderboard, and the epochs.

Only an epoch that is on the chain and not vetoed gives a score; what it says is what was stored when it was computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.pricing import Tier
from aicp.rules.primitives import Finality, parse_address
from aicp.rules.reputation import FLOOR
from aicp.rules.scores import MAX_SCORE, score_hash
from aicp.rules.specialties import MEASURES, SPECIALTIES
from backend.agents import service as agents
from backend.api import paging
from backend.api.types import ChainRef, Page
from backend.context import Context
from backend.db.times import moment
from backend.errors import InvalidInput, NotFound
from backend.reputation import repo
from backend.reputation.anchored import Anchored, newest_anchored
from backend.reputation.models import Score, ScoreEpoch
from backend.reputation.schemas import (
    AnchorOut,
    EpochOut,
    EpochState,
    FileLeafOut,
    FileMeasuresOut,
    ForecastOut,
    HistoryOut,
    LeaderOut,
    LeafOut,
    Measure,
    RecoveryOut,
    ReputationOut,
    ScoreFileOut,
    SpecialtyOut,
)
from backend.reputation.trees import TREES
from indexer import views


def reputation(session: Session, ctx: Context, name: str, finality: Finality) -> ReputationOut:
    """Return the newest anchored score of an agent, by address or alias. Raises NotFound.

    A registered agent without one is a newcomer; an address that is neither is not found.
    """
    address = _address(name)
    anchored = newest_anchored(session, finality)
    if address is None:
        address = agents.find(session, ctx, name).address
    score = None
    if anchored is not None:
        score = session.execute(repo.score(anchored.computed.id, address)).scalar_one_or_none()
    if anchored is None or score is None:
        agents.find(session, ctx, name)
        return _newcomer(address)
    return _scored(score, _anchor(session, ctx, anchored, score))


def _address(name: str) -> bytes | None:
    try:
        return parse_address(name)
    except ValueError:
        return None


def _newcomer(address: bytes) -> ReputationOut:
    return ReputationOut(
        agent=address, score=FLOOR, tier=Tier.NEW, base=FLOOR, recent=FLOOR, current=FLOOR, days_since_outcome=None,
        active_days=0, witnesses_ppm=0, jobs=0, settled_value_units=0, speed=FLOOR, quality=FLOOR, reliability=FLOOR,
        specialties=[
            SpecialtyOut(dimension=dimension, value=value, score=FLOOR)
            for dimension, values in SPECIALTIES.items()
            for value in values
        ],
        recovery=None, forecast=[], anchor=None,
    )  # fmt: skip


def _scored(score: Score, anchor: AnchorOut) -> ReputationOut:
    detail = score.detail
    return ReputationOut(
        agent=score.agent, score=score.score, tier=Tier(score.tier), base=detail["base"], recent=detail["recent"],
        current=detail["current"], days_since_outcome=detail["days"], active_days=detail["active_days"],
        witnesses_ppm=detail["credit_ppm"], jobs=score.jobs, settled_value_units=score.settled_value_units,
        **_measures(detail),
        specialties=[
            SpecialtyOut(dimension=dimension, value=value, score=detail["specialties"][f"{dimension}:{value}"])
            for dimension, values in SPECIALTIES.items()
            for value in values
        ],
        recovery=None if (told := detail.get("recovery")) is None else RecoveryOut.model_validate(told),
        forecast=[ForecastOut(days=days, score=then) for days, then in detail["forecast"]], anchor=anchor,
    )  # fmt: skip


def _leaves(session: Session, computed: ScoreEpoch) -> list[ScoreLeaf]:
    return [
        ScoreLeaf(agent=agent, score=score, settled_value=int(value), jobs=jobs, epoch=computed.epoch)
        for agent, score, value, jobs in session.execute(repo.scores(computed.id)).tuples()
    ]


def _leaf(computed: ScoreEpoch, score: Score) -> ScoreLeaf:
    return ScoreLeaf(
        agent=score.agent, score=score.score, settled_value=int(score.settled_value_units), jobs=score.jobs,
        epoch=computed.epoch,
    )  # fmt: skip


def _anchor(session: Session, ctx: Context, anchored: Anchored, score: Score) -> AnchorOut:
    computed, row = anchored.computed, anchored.row
    leaf = _leaf(computed, score)
    tree = TREES.get(computed.root, lambda: _leaves(session, computed))
    origin = views.anchorings(session, ctx.deployment.reputation, [row.epoch])[row.epoch]
    return AnchorOut(
        epoch=row.epoch, ended_at=computed.ended_at, root=row.root, manifest_hash=row.manifest_hash, uri=row.uri,
        leaf=LeafOut(
            agent=leaf.agent, score=leaf.score, settled_value_units=leaf.settled_value, jobs=leaf.jobs, epoch=leaf.epoch
        ),
        proof=tree.proof(score_hash(leaf)), counts_from=moment(row.active_at), counts=row.active_at <= ctx.now(),
        chain=_ref(origin),
    )  # fmt: skip


def _ref(origin: views.Origin) -> ChainRef:
    return ChainRef(
        block_number=origin.block_number, block_hash=origin.block_hash, tx_hash=origin.tx_hash,
        log_index=origin.log_index, finality=origin.finality,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a leaderboard is ordered by (a specialty as `dimension:value`, or a measure) and filtered by."""

    specialty: str | None
    tier: Tier | None
    min_jobs: int
    capability: str | None
    by: Measure = "overall"


def leaderboard(
    session: Session, wanted: Wanted, *, cursor: str | None, limit: int, finality: Finality
) -> Page[LeaderOut]:
    """Return one page of the newest anchored epoch, best first. Raises InvalidInput."""
    if wanted.specialty is not None:
        if wanted.by != "overall":
            raise InvalidInput("Agents are ordered by a measure or by a specialty, not by both.")
        dimension, _, value = wanted.specialty.partition(":")
        if value not in SPECIALTIES.get(dimension, ()):
            raise InvalidInput("This is no specialty; they look like task_type:compute.")
    after = paging.decode(cursor, paging.number(-MAX_SCORE, MAX_SCORE), paging.address)
    anchored = newest_anchored(session, finality)
    if anchored is None:
        return Page(items=[], next_cursor=None)
    statement = repo.leaders(
        anchored.computed.id, by=wanted.by, specialty=wanted.specialty,
        tier=None if wanted.tier is None else wanted.tier.value, min_jobs=wanted.min_jobs,
        capability=wanted.capability, after=after, limit=limit + 1,
    )  # fmt: skip
    rows = session.execute(statement).tuples().all()
    items = [
        LeaderOut(
            rank=rank, agent=score.agent, slug=slug, name=name, value=value, score=score.score,
            **_measures(score.detail), tier=Tier(score.tier), jobs=score.jobs,
            settled_value_units=score.settled_value_units, epoch=anchored.row.epoch,
        )
        for score, value, rank, slug, name in rows[:limit]
    ]  # fmt: skip
    following = paging.encode(items[-1].value, items[-1].agent.hex()) if len(rows) > limit else None
    return Page(items=items, next_cursor=following)


def _measures(detail: dict[str, Any]) -> dict[str, int]:
    return {name: detail[name] for name in MEASURES}


def history(
    session: Session, ctx: Context, name: str, *, cursor: str | None, limit: int, finality: Finality
) -> Page[HistoryOut]:
    """Return one page of the anchored epochs an agent has a score in, newest first.

    What was computed and never anchored, or vetoed, is left out, so a page may be short. Raises NotFound and
    InvalidInput.
    """
    address = _address(name)
    if address is None:
        address = agents.find(session, ctx, name).address
    found = session.execute(repo.past(address, _before(cursor), limit + 1)).tuples().all()
    shown = found[:limit]
    if not found:
        if cursor is None:
            reputation(session, ctx, name, finality)  # a stranger is not found, a newcomer has no history yet
        return Page(items=[], next_cursor=None)
    numbers = [one.epoch for one, _ in shown]
    rows = {row.manifest_hash: row for row in views.score_epochs_of(session, numbers, finality) if not row.vetoed}
    origins = views.anchorings(session, ctx.deployment.reputation, numbers)
    items = [
        HistoryOut(
            epoch=one.epoch, state="counts" if row.active_at <= ctx.now() else "pending", ended_at=one.ended_at,
            score=score.score, tier=Tier(score.tier), **_measures(score.detail), jobs=score.jobs,
            settled_value_units=score.settled_value_units, root=row.root, manifest_hash=row.manifest_hash,
            counts_from=moment(row.active_at), chain=_ref(origins[one.epoch]),
        )
        for one, score in shown
        if (row := rows.get(one.manifest_hash)) is not None
    ]  # fmt: skip
    following = paging.encode(shown[-1][0].id, "epoch") if len(found) > limit else None
    return Page(items=items, next_cursor=following)


def epochs(session: Session, ctx: Context, *, cursor: str | None, limit: int, finality: Finality) -> Page[EpochOut]:
    """Return one page of computed epochs, newest first. Raises InvalidInput for a foreign cursor."""
    found = list(session.execute(repo.page(_before(cursor), limit + 1)).scalars())
    shown = found[:limit]
    numbers = [one.epoch for one in shown]
    rows = {row.manifest_hash: row for row in views.score_epochs_of(session, numbers, finality)}
    origins = views.anchorings(session, ctx.deployment.reputation, numbers)
    newest = session.execute(repo.newest()).scalar_one_or_none()
    items = [_epoch(ctx, one, rows.get(one.manifest_hash), origins, newest) for one in shown]
    following = paging.encode(shown[-1].id, "epoch") if len(found) > limit else None
    return Page(items=items, next_cursor=following)


def _before(cursor: str | None) -> int | None:
    found = paging.decode(cursor, paging.ROW_NUMBER, str)
    return None if found is None else found[0]


def _epoch(
    ctx: Context, one: ScoreEpoch, row: views.ScoreEpochRow | None, origins: dict[int, views.Origin], newest: Any
) -> EpochOut:
    state: EpochState
    if row is None:
        state = "computed" if newest is not None and newest.id == one.id else "replaced"
    elif row.vetoed:
        state = "vetoed"
    else:
        state = "counts" if row.active_at <= ctx.now() else "pending"
    return EpochOut(
        epoch=one.epoch, state=state, ended_at=one.ended_at, block_number=one.block_number, root=one.root,
        leaf_count=one.leaf_count, manifest_hash=one.manifest_hash, uri=one.uri,
        counts_from=None if row is None or row.vetoed else moment(row.active_at),
        chain=None if row is None else _ref(origins[one.epoch]),
    )  # fmt: skip


def score_file(session: Session, epoch: int) -> ScoreFileOut:
    """Return the published file of an epoch: what was anchored under its number, else what was computed last.

    Raises NotFound.
    """
    found = list(session.execute(repo.of_number(epoch)).scalars())
    if not found:
        raise NotFound("There is no such epoch.")
    hashes = {row.manifest_hash for row in views.score_epochs_of(session, [epoch], Finality.SEEN)}
    computed = next((one for one in found if one.manifest_hash in hashes), found[0])
    return ScoreFileOut(
        epoch=epoch,
        leaves=[
            FileLeafOut(
                agent=leaf.agent, score=leaf.score, settled_value_units=leaf.settled_value, jobs=leaf.jobs
            )
            for leaf in _leaves(session, computed)
        ],
        measures=[
            FileMeasuresOut(agent=agent, **_measures(detail))
            for agent, detail in session.execute(repo.measured(computed.id)).tuples()
        ],
        manifest=computed.manifest,
    )  # fmt: skip
