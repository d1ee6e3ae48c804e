"""The scheduler as people see it, and what its rule is given: from the tables, for `backend.domain.scheduling`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.auctions import options_of
from aicp.rules.primitives import hex0x
from aicp.rules.specialties import task_tags
from backend.agents.figures import measured_of
from backend.agents.models import Agent
from backend.auctions.models import TaskOrder
from backend.context import Context
from backend.db.times import moment, unix
from backend.domain import breaker
from backend.domain.scheduling import FLOOR, RULE_VERSION, SCALE, Candidate, Refused, Rule, Waiting, Why, assign
from backend.scheduler import repo
from backend.scheduler.models import TaskOffer
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
from backend.tasks.models import Task

MOST_AGENTS: Final = 1_000
MOST_LISTED: Final = 200
MOST_WAITING: Final = 50
MOST_DECISIONS: Final = 20
_PRIORITY: Final = {"1.0": 0, "1.25": 1, "1.5": 2}
_BPS: Final = 10_000


def rule_of(ctx: Context) -> Rule:
    """Return the rule as it is configured here."""
    return Rule(newcomer_share_bps=ctx.settings.newcomer_share_bps)


def status(session: Session, ctx: Context) -> SchedulerStatusOut:
    """Return what waits, who could do it, and what was decided lately."""
    rule, now = rule_of(ctx), ctx.now()
    demand = dict(session.execute(repo.waiting_by_capability()).tuples().all())
    rows = list(session.execute(repo.agents(MOST_AGENTS)).scalars())
    known = candidates(session, ctx, rows)
    return SchedulerStatusOut(
        rule_version=RULE_VERSION,
        newcomer_share_bps=rule.newcomer_share_bps,
        weights=WeightsOut(reputation=rule.reputation, specialty=rule.specialty, room=rule.room, speed=rule.speed),
        waiting_tasks=sum(demand.values()),
        capabilities=_capabilities(demand, known, rule, now),
        agents=[_load(one, rule, now) for one in known[:MOST_LISTED]],
        waiting=_waiting(session, known, frozenset(row.address for row in rows if row.takes_offers), rule, now),
        decisions=_decisions(session),
    )


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


def _waiting(
    session: Session, known: list[Candidate], takes_offers: frozenset[bytes], rule: Rule, now: int
) -> list[WaitingOut]:
    rows = {str(row.id): row for row in session.execute(repo.waiting(MOST_WAITING)).scalars()}
    ids = [row.id for row in rows.values()]
    orders = {order.task_id: order for order in session.execute(repo.orders_of(ids, now)).scalars()}
    tried = repo.by_task(session.execute(repo.tried(ids)).tuples())
    asked = {offer.task_id: offer for offer in session.execute(repo.live_offers(ids)).scalars()}
    free = [row for row in rows.values() if row.id not in asked]
    by_bids = [_task(row) for row in free if not options_of(row.document).instant]
    offered = [_waits(row, orders.get(row.id), tried) for row in free if options_of(row.document).instant]
    askable = [one for one in known if one.agent in takes_offers]
    plans = (assign(by_bids, known, rule=rule, now=now), assign(offered, askable, rule=rule, now=now))
    return [_asked(rows[str(task_id)], offer) for task_id, offer in asked.items()] + [
        WaitingOut(
            task_id=rows[one.task].id,
            capability=rows[one.task].capability,
            budget_units=rows[one.task].budget_units,
            since=rows[one.task].created_at,
            agent=one.agent,
            why=one.why,
            points_bps=points_bps(one.points),
            refused=[refused_out(refused) for refused in one.refused],
            instant=options_of(rows[one.task].document).instant,
        )
        for plan in plans
        for one in plan.decisions
    ]


def _asked(row: Task, offer: TaskOffer) -> WaitingOut:
    return WaitingOut(
        task_id=row.id,
        capability=row.capability,
        budget_units=row.budget_units,
        since=row.created_at,
        agent=offer.agent,
        why=Why(offer.why),
        points_bps=offer.points_bps,
        refused=[RefusedOut.model_validate(one) for one in offer.refused],
        instant=True,
        offered=True,
    )


def _waits(row: Task, order: TaskOrder | None, tried: dict[uuid.UUID, frozenset[bytes]]) -> Waiting:
    return _task(row) if order is None else instant(row, order, tried.get(row.id, frozenset()))


def instant(row: Task, order: TaskOrder, tried: frozenset[bytes]) -> Waiting:
    """Return a task that its buyer leaves to the scheduler: within his order, as long as it is valid."""
    return replace(_task(row), max_units=order.max_units, deadline=order.valid_until, tried=tried)


def _task(row: Task) -> Waiting:
    return Waiting(
        id=str(row.id),
        capabilities=frozenset({row.capability}),
        max_units=row.budget_units,
        deadline=unix(row.auction_ends_at) + row.deliver_within_seconds,
        since=unix(row.created_at),
        priority=_PRIORITY.get(row.document["urgency"], 0),
        specialty=_specialty(row),
        parties=frozenset({row.buyer} if row.verifier is None else {row.buyer, row.verifier}),
    )


def _specialty(row: Task) -> str | None:
    """Return the first specialty of a task; the rule knows one."""
    return next((f"{dimension}:{value}" for dimension, value in task_tags(row.document).items()), None)


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
