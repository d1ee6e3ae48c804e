"""The scheduler as people see it, and what its rule is given: from the tables, for `backend.domain.scheduling`."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.agents.figures import measured_of
from backend.agents.models import Agent
from backend.context import Context
from backend.db.times import moment, unix
from backend.domain import breaker
from backend.domain.scheduling import FLOOR, RULE_VERSION, SCALE, Candidate, Refused, Rule, Waiting, Why, assign
from backend.scheduler import buyers, queue_repo, repo
from backend.scheduler.models import TaskOffer
from backend.scheduler.queue_repo import Posted
from backend.scheduler.schemas import (
    CapabilityOut,
    DecisionOut,
    Health,
    LoadOut,
    RefusedOut,
    SchedulerStatusOut,
    WaitingOut,
    WeightsOut,
)

MOST_AGENTS: Final = 1_000
"""So many agents are looked at for a capability, and shown."""
MOST_ASKABLE: Final = 5_000
"""So many agents are looked at in a round, for all capabilities together."""
MOST_LISTED: Final = 200
MOST_WAITING: Final = 50
MOST_DECISIONS: Final = 20
_BPS: Final = 10_000


def rule_of(ctx: Context) -> Rule:
    """Return the rule as it is configured here."""
    return Rule(newcomer_share_bps=ctx.settings.newcomer_share_bps, buyer_places=ctx.settings.buyer_places)


def status(session: Session, ctx: Context) -> SchedulerStatusOut:
    """Return what waits, who could do it, and what was decided lately."""
    rule, now = rule_of(ctx), ctx.now()
    demand = dict(session.execute(repo.waiting_by_capability()).tuples().all())
    shown = list(session.execute(repo.agents(MOST_AGENTS)).scalars())
    asked = askable(session, ctx, rule)
    every = candidates(session, ctx, list({row.address: row for row in [*shown, *asked]}.values()))
    known, may_be_asked = every[: len(shown)], {row.address for row in asked}
    return SchedulerStatusOut(
        rule_version=RULE_VERSION,
        newcomer_share_bps=rule.newcomer_share_bps,
        buyer_places=rule.buyer_places,
        weights=WeightsOut(reputation=rule.reputation, specialty=rule.specialty, room=rule.room, speed=rule.speed),
        waiting_tasks=sum(demand.values()),
        capabilities=_capabilities(demand, known, rule, now),
        agents=[_load(one, rule, now) for one in known[:MOST_LISTED]],
        waiting=_waiting(session, ctx, known, [one for one in every if one.agent in may_be_asked]),
        decisions=_decisions(session),
    )


def askable(session: Session, ctx: Context, rule: Rule) -> list[Agent]:
    """Return the agents that tasks may be offered to."""
    since = moment(ctx.now() - rule.heard_within_seconds)
    return list(session.execute(repo.askable(since, MOST_AGENTS, MOST_ASKABLE)).scalars())


def candidates(session: Session, ctx: Context, rows: Sequence[Agent]) -> list[Candidate]:
    """Return agents as the rule knows them: what they say of themselves, and what is measured of them.

    A specialty counts where the agent says it has it, by what it has shown there.
    """
    addresses = [row.address for row in rows]
    if not addresses:
        return []
    load = dict(session.execute(repo.in_flight(addresses)).tuples().all())
    now_ms = ctx.now() * 1_000
    resting = session.execute(repo.rests(addresses)).scalars()
    rests = {row.agent: now_ms + wait for row in resting if (wait := breaker.wait_ms(row.breaker(), now_ms))}
    figures = measured_of(session, ctx, addresses)
    return [
        Candidate(
            agent=row.address,
            capabilities=frozenset(row.capabilities),
            score=figures[row.address].score,
            specialties={one: figures[row.address].specialties.get(one, FLOOR) for one in row.specialties},
            decided=figures[row.address].decided,
            floor_units=row.price_floor_units,
            load=load.get(row.address, 0),
            capacity=row.capacity,
            heard_at=None if row.last_heartbeat is None else unix(row.last_heartbeat),
            rests_until=-(-rests.get(row.address, 0) // 1_000),
            response_ms=figures[row.address].response_ms,
        )
        for row in rows
    ]


def _health(one: Candidate, rule: Rule, now: int) -> Health:
    ill = one.health(rule, now)
    if ill is not None:
        return "silent" if ill == "silent" else "resting"
    return "ok" if one.load < one.capacity else "full"


def _load(one: Candidate, rule: Rule, now: int) -> LoadOut:
    return LoadOut(
        agent=one.agent,
        capabilities=sorted(one.capabilities),
        health=_health(one, rule, now),
        in_flight=one.load,
        capacity=one.capacity,
        newcomer=one.newcomer,
        rests_until=moment(one.rests_until) if one.rests_until > now else None,
        last_heartbeat=None if one.heard_at is None else moment(one.heard_at),
    )


def _capabilities(demand: dict[str, int], known: list[Candidate], rule: Rule, now: int) -> list[CapabilityOut]:
    able: dict[str, list[Candidate]] = {name: [] for name in demand}
    for one in known:
        for name in one.capabilities:
            able.setdefault(name, []).append(one)
    found: list[CapabilityOut] = []
    for name, those in sorted(able.items()):
        health = Counter(_health(one, rule, now) for one in those)
        found.append(
            CapabilityOut(
                capability=name,
                waiting_tasks=demand.get(name, 0),
                agents=len(those),
                ok=health["ok"],
                full=health["full"],
                resting=health["resting"],
                silent=health["silent"],
                newcomers=sum(one.newcomer for one in those),
                in_flight=sum(one.load for one in those),
                capacity=sum(one.capacity for one in those),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class _Listed:
    """A task that waits, with what the list says besides."""

    task: Posted
    budget_units: int
    since: dt.datetime
    instant: bool


def _waiting(session: Session, ctx: Context, known: list[Candidate], askable: list[Candidate]) -> list[WaitingOut]:
    rule, now = rule_of(ctx), ctx.now()
    rows = session.execute(queue_repo.waiting(now, MOST_WAITING, ctx.constants))
    listed = {str(row[0]): _Listed(Posted.of(row), *row[10:]) for row in rows}
    ids = [one.task.id for one in listed.values()]
    tried = repo.by_task(session.execute(repo.tried(ids)).tuples())
    asked = {str(offer.task_id): offer for offer in session.execute(repo.live_offers(ids)).scalars()}
    free = [one for task_id, one in listed.items() if task_id not in asked]
    offered = [instant(one.task, tried) for one in free if one.instant]
    standing = buyers.as_they_stand(session, ctx, {one.task.buyer for one in free if one.instant})
    plans = (
        assign([_task(one.task) for one in free if not one.instant], known, rule=rule, now=now),
        assign(offered, askable, rule=rule, now=now, buyers=standing),
    )
    return [_asked(listed[task_id], offer) for task_id, offer in asked.items()] + [
        WaitingOut(
            task_id=listed[one.task].task.id,
            capability=listed[one.task].task.capability,
            budget_units=listed[one.task].budget_units,
            since=listed[one.task].since,
            agent=one.agent,
            why=one.why,
            points_bps=points_bps(one.points),
            refused=[refused_out(refused) for refused in one.refused],
            instant=listed[one.task].instant,
        )
        for plan in plans
        for one in plan.decisions
    ]


def _asked(one: _Listed, offer: TaskOffer) -> WaitingOut:
    return WaitingOut(
        task_id=one.task.id,
        capability=one.task.capability,
        budget_units=one.budget_units,
        since=one.since,
        agent=offer.agent,
        why=Why(offer.why),
        points_bps=offer.points_bps,
        refused=[RefusedOut.model_validate(refused) for refused in offer.refused],
        instant=True,
        offered=True,
    )


def instant(task: Posted, tried: Mapping[uuid.UUID, frozenset[bytes]]) -> Waiting:
    """Return a task that its buyer leaves to the scheduler: it takes a place of his."""
    return replace(_task(task), tried=tried.get(task.id, frozenset()), buyer=task.buyer, pooled=task.pooled)


def _task(task: Posted) -> Waiting:
    return Waiting(
        id=str(task.id),
        capabilities=frozenset({task.capability}),
        max_units=task.units,
        deadline=task.deadline,
        since=task.since,
        priority=task.priority,
        specialty=task.specialty,
        parties=frozenset({task.buyer} if task.verifier is None else {task.buyer, task.verifier}),
    )


def refused_out(one: Refused) -> RefusedOut:
    """Return an agent that was refused as everybody sees it."""
    return RefusedOut(agent=one.agent, why=one.why, points_bps=points_bps(one.points))


def points_bps(points: int) -> int:
    """Return points in basis points of a perfect agent's, rounded down."""
    return points * _BPS // SCALE


def _decisions(session: Session) -> list[DecisionOut]:
    deals = list(session.execute(repo.latest_deals(MOST_DECISIONS)).scalars())
    reasons: dict[tuple[uuid.UUID, str], str] = {}
    if deals:
        for move in session.execute(repo.awards([deal.task_id for deal in deals])).scalars():
            reasons[move.task_id, move.evidence.get("bid_hash", "")] = move.reason
    return [
        DecisionOut(
            task_id=deal.task_id,
            agent=deal.agent,
            price_units=deal.price_units,
            reason=reasons.get((deal.task_id, hex0x(deal.bid_hash)), ""),
            at=deal.created_at,
        )
        for deal in deals
    ]
