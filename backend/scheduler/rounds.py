"""Rounds of the scheduler: offers nobody has answered end, and every task that waits is offered to the next best.

One transaction a round. The row with the newcomers' credit is locked first, so rounds follow one another, whoever makes
them: what a round reads of load and offers is what the round before has written. Load is one statement, because a bid
turns an offer into a deal meanwhile. What buyers hold of agents' room is read after the lock as well, and can only
become less until the round ends. Tasks are chosen without a lock and locked when they are: one whose row somebody holds
waits for the next round, and the choice is made again without it. A crash leaves no trace.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.fees import BPS
from backend.breakers import service as breakers
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.scheduling import RULE_VERSION, Candidate, Decision, Plan, assign, floors_of
from backend.notifications import sources as notices
from backend.scheduler import buyers, offers, queue_repo, repo, view
from backend.scheduler.models import NewcomerCredit, TaskOffer
from backend.scheduler.queue_repo import Demand, Posted

ANSWER_SECONDS: Final = 15
"""How long an agent has for its answer."""
MOST_IN_ADVANCE: Final = -BPS
"""Newcomers that win by themselves do without their share for one task, not for as long as they were the best."""
MOST_OF_ONE: Final = 20
"""So many waiting tasks of a buyer and capability are looked at in a round: more than places he has."""
MOST_TASKS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a round has decided, the tasks it is about, and the titles of those that are offered now and locked."""

    plan: Plan
    tasks: dict[str, Posted]
    titles: dict[uuid.UUID, str]


def make_round(session: Session, ctx: Context) -> int:
    """Make one round; return how many offers were made or ended."""
    credit = session.execute(repo.credit_locked()).scalar_one()
    return _end_offers(session, ctx) + _offer(session, ctx, credit)


def _end_offers(session: Session, ctx: Context) -> int:
    """End the offers whose time is over, and those that nothing hangs on any more."""
    ended = 0
    for offer, gone, heard in session.execute(repo.ending_offers(moment(ctx.now()))).tuples():
        offers.close(session, ctx, offer, "void" if gone else "silent", heard=heard)
        ended += 1
    return ended


def _offer(session: Session, ctx: Context, credit: NewcomerCredit) -> int:
    now, rule = ctx.now(), view.rule_of(ctx)
    known = view.candidates(session, ctx, view.askable(session, ctx, rule))
    floors = floors_of(known, rule, now)
    if not floors:
        return 0
    demand = Demand(
        now=now, floors=floors, operators=buyers.operators(ctx), most_of_one=MOST_OF_ONE, most=MOST_TASKS
    )  # fmt: skip
    found = [Posted.of(row) for row in session.execute(queue_repo.to_offer(demand, rule, ctx.constants))]
    if not found:
        return 0
    chosen = _choose(session, ctx, found, known, credit.credit)
    credit.credit = max(chosen.plan.credit, MOST_IN_ADVANCE)
    made = 0
    for decision in chosen.plan.decisions:
        task = chosen.tasks[decision.task]
        if decision.agent is not None:
            made += _make(session, task, chosen.titles[task.id], decision, decision.agent, now)
    return made


def _choose(session: Session, ctx: Context, found: list[Posted], known: list[Candidate], credit: int) -> _Chosen:
    """Let the rule decide, and lock what it offers; without what others hold it decides again."""
    tried = repo.by_task(session.execute(repo.tried([one.id for one in found])).tuples())
    standing = buyers.as_they_stand(session, ctx, {one.buyer for one in found})
    tasks, titles = {str(one.id): one for one in found}, dict[uuid.UUID, str]()
    while True:
        plan = assign(
            [view.instant(one, tried) for one in tasks.values()], known,
            rule=view.rule_of(ctx), now=ctx.now(), credit=credit, buyers=standing,
        )  # fmt: skip
        wanted = [tasks[one.task].id for one in plan.decisions if one.agent is not None]
        new = [one for one in wanted if one not in titles]
        titles.update(session.execute(queue_repo.lock_open(new)).tuples().all())
        held = [one for one in wanted if one not in titles]
        if not held:
            return _Chosen(plan, tasks, titles)
        for one in held:
            del tasks[str(one)]


def _make(  # noqa: PLR0917  # what an offer is made of
    session: Session, task: Posted, title: str, decision: Decision, agent: bytes, now: int
) -> bool:
    """Make an offer, unless the agent's breaker has no trial left for it; return whether it was made."""
    turn = breakers.let_through(session, agent, now * 1_000)
    if turn is None:
        return False
    offer = TaskOffer(
        id=new_id(),
        task_id=task.id,
        agent=agent,
        max_units=task.units,
        rule_version=RULE_VERSION,
        why=decision.why.value,
        points_bps=view.points_bps(decision.points),
        refused=[view.refused_out(one).model_dump(mode="json") for one in decision.refused],
        breaker_turn=turn,
        offered_at=moment(now),
        answer_until=moment(min(now + ANSWER_SECONDS, task.deadline)),
        answer=None,
        answered_at=None,
        bid_hash=None,
    )
    session.add(offer)
    session.flush()
    offers.announce(session, offer)
    notices.offered(session, title, offer)
    return True
