"""Awards by the published rule: what it is given, when it is asked, and what is kept so that it can be asked again.

The rule (`aicp.rules.awarding`) sees every receipted bid, sealed ones that were never shown included, with the scores
of the newest epoch that counts. What it saw is stored with the award and signed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from aicp.rules.awarding import Contest, Offer, award_record, rank
from aicp.rules.specialties import task_specialty
from backend.agents import suspensions
from backend.auctions import repo
from backend.auctions.awards import award_bid
from backend.auctions.models import Award, Bid
from backend.auctions.sealed import require_shown
from backend.context import Context
from backend.db.times import unix
from backend.deals.models import Deal
from backend.deals.service import back_to_bids
from backend.domain.task_states import AWARDABLE, TaskState
from backend.errors import WrongState
from backend.reputation.standing import Standing, standing
from backend.tasks import service as tasks
from backend.tasks.models import Task


@dataclass(frozen=True, slots=True)
class Decision:
    """Which bid the rule awards, and the record of why."""

    bid: Bid
    record: dict[str, Any]


def decide(session: Session, ctx: Context, task: Task) -> Decision | None:
    """Return what the rule finds now, None where the task names no weights or no bid counts for it.

    The caller holds the task's lock.
    """
    options = tasks.options(task)
    if options.weights is None:
        return None
    bids = {bid.bid_hash: bid for bid in session.execute(repo.of_task(task.id)).scalars()}
    commits = session.execute(repo.commits(task.id, ctx.now())).scalars().all()
    lapsed = frozenset(session.execute(repo.lapsed(task.id)).scalars())
    agents = {bid.agent for bid in bids.values()} | {row.agent for row in commits}
    known = standing(session, ctx, agents, task_specialty(task.document))
    contest = Contest(
        task_hash=task.task_hash,
        budget_units=options.limit_units(task.budget_units),
        allowed_seconds=task.deliver_within_seconds,
        weights=options.weights,
        epoch=known.epoch,
        decided_at=ctx.now(),
    )
    offers = [_offer(bid, known, lapsed) for bid in bids.values()]
    for row in commits:
        if row.bid_hash not in bids:
            reputation, specialty = known.of(row.agent)
            offers.append(
                Offer(
                    bid_hash=row.bid_hash,
                    agent=row.agent,
                    amount=0,
                    eta_seconds=0,
                    valid_until=row.valid_until,
                    seq=row.seq,
                    withdrawn=row.withdrawn_at is not None,
                    revealed=False,
                    reputation=reputation,
                    specialty=specialty,
                )
            )
    winner = rank(contest, offers).winner
    if winner is None:
        return None
    return Decision(bids[winner.bid_hash], award_record(contest, offers))


def _offer(bid: Bid, known: Standing, lapsed: frozenset[bytes]) -> Offer:
    reputation, specialty = known.of(bid.agent)
    return Offer(
        bid_hash=bid.bid_hash,
        agent=bid.agent,
        amount=bid.amount_units,
        eta_seconds=bid.eta_seconds,
        valid_until=bid.valid_until,
        seq=bid.seq,
        withdrawn=bid.withdrawn_at is not None,
        lapsed=bid.bid_hash in lapsed,
        reputation=reputation,
        specialty=specialty,
    )


def award_by_rule(session: Session, ctx: Context, task: Task, *, reason: str) -> tuple[Award, Deal] | None:
    """Award an open task by its rule; None where no bid counts for it. The caller holds the task's lock.

    The record has no word for a suspension. So where the bid of a suspended agent is the best, its award lapses at
    once, and the next one passes over it as over every bid whose award has lapsed, which anybody can check.

    Raises WrongState while sealed bids may still be shown.
    """
    require_shown(session, ctx, task)
    while (found := decide(session, ctx, task)) is not None:
        award, deal = award_bid(
            session, ctx, task, found.bid, reason=reason, decided_by="rule", record=found.record
        )  # fmt: skip
        if not suspensions.open_of(session, [found.bid.agent]):
            return award, deal
        back_to_bids(session, ctx, deal, task, "the agent is suspended")
        if TaskState(task.state) not in AWARDABLE:
            break
    return None


def due_by_rule(session: Session, ctx: Context) -> list[uuid.UUID]:
    """Return the tasks whose auction is over and which the rule awards now."""
    return list(session.execute(repo.due_by_rule(ctx.now())).scalars())


def award_due(session: Session, ctx: Context, task_id: uuid.UUID) -> bool:
    """Award a task by its rule if it is still due; return whether it was."""
    task = tasks.get_for_update(session, task_id)
    if TaskState(task.state) not in AWARDABLE or unix(task.auction_ends_at) > ctx.now():
        return False
    try:
        return award_by_rule(session, ctx, task, reason="awarded by the rule") is not None
    except WrongState:  # a sealed bid may still be shown: looked up before the lock, it was not
        return False
