"""Rounds of the scheduler: offers nobody has answered end, and every task that waits is offered to the next best.

One transaction a round. The row with the newcomers' credit is locked first, so rounds follow one another, whoever makes
them: what a round reads of load and offers is what the round before has written. Load is one statement, because a bid
turns an offer into a deal meanwhile. A task whose row somebody holds waits for the next round. A crash leaves no trace.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy.orm import Session

from backend.auctions.models import TaskOrder
from backend.breakers import service as breakers
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.domain.lanes import BPS
from backend.domain.scheduling import RULE_VERSION, Decision, assign
from backend.notifications import sources as notices
from backend.scheduler import offers, repo, view
from backend.scheduler.models import NewcomerCredit, TaskOffer
from backend.tasks.models import Task

ANSWER_SECONDS: Final = 15
"""How long an agent has for its answer."""
MOST_IN_ADVANCE: Final = -BPS
"""Newcomers that win by themselves do without their share for one task, not for as long as they were the best."""
MOST_TASKS: Final = 10_000
"""So many waiting tasks, those that were posted first, are looked at in a round."""


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
    now = ctx.now()
    waiting = {str(row.id): (row, order) for row, order in session.execute(repo.to_offer(now, MOST_TASKS)).tuples()}
    if not waiting:
        return 0
    rule = view.rule_of(ctx)
    since = moment(now - rule.heard_within_seconds)
    known = view.candidates(session, ctx, list(session.execute(repo.askable(since, view.MOST_AGENTS)).scalars()))
    tried = repo.by_task(session.execute(repo.tried(list(map(uuid.UUID, waiting)))).tuples())
    plan = assign(
        [view.instant(row, order, tried.get(row.id, frozenset())) for row, order in waiting.values()],
        known, rule=rule, now=now, credit=credit.credit,
    )  # fmt: skip
    credit.credit = max(plan.credit, MOST_IN_ADVANCE)
    made = 0
    for decision in plan.decisions:
        row, order = waiting[decision.task]
        if decision.agent is not None:
            made += _make(session, row, order, decision, decision.agent, now)
    return made


def _make(  # noqa: PLR0917  # what an offer is made of
    session: Session, task: Task, order: TaskOrder, decision: Decision, agent: bytes, now: int
) -> bool:
    """Make an offer, unless the agent's breaker has no trial left for it; return whether it was made."""
    turn = breakers.let_through(session, agent, now * 1_000)
    if turn is None:
        return False
    offer = TaskOffer(
        id=new_id(),
        task_id=task.id,
        agent=agent,
        max_units=order.max_units,
        rule_version=RULE_VERSION,
        why=decision.why.value,
        points_bps=view.points_bps(decision.points),
        refused=[view.refused_out(one).model_dump(mode="json") for one in decision.refused],
        breaker_turn=turn,
        offered_at=moment(now),
        answer_until=moment(min(now + ANSWER_SECONDS, order.valid_until)),
        answer=None,
        answered_at=None,
        bid_hash=None,
    )
    session.add(offer)
    session.flush()
    offers.announce(session, offer)
    notices.offered(session, task, offer)
    return True
