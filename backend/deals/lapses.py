"""Clocks of deals nobody has paid: an agent who does not answer or falls silent, a buyer who does not come back."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.times import unix
from backend.deals import failover, repo, terms
from backend.deals.service import back_to_bids, holds_money
from backend.domain.escrow_deal import UNPAID
from backend.domain.task_states import TaskState
from backend.tasks import service as tasks


def waiting_deals(session: Session, ctx: Context) -> list[uuid.UUID]:
    """Return the deals that wait for a signature and may lapse."""
    return list(session.execute(repo.unanswered_ids(ctx.now())).scalars())


def expire_waiting(session: Session, ctx: Context, deal_id: uuid.UUID) -> bool:
    """Let a waiting deal lapse when its time is over; return whether it did. Nothing lapses while money is in it."""
    deal = session.execute(repo.by_id(deal_id)).scalar_one_or_none()
    if deal is None or not deal.live:
        return False
    task = session.execute(repo.task_skip_locked(deal.task_id)).scalar_one_or_none()
    if task is None or task.deal_id != deal.id or TaskState(task.state) not in UNPAID:
        return False
    if holds_money(session, deal):
        return False
    now = ctx.now()
    current = terms.current(session, deal.id)
    if task.state == TaskState.AWAITING_ACCEPTANCE.value and current is not None:
        if now <= current.acceptance_due + 1:
            return False
        return failover.without_agent(session, ctx, deal, task, "the agent did not accept in time")
    late = now - unix(task.state_since) >= ctx.constants.awaiting_payment_seconds
    if late or failover.is_not_paid_for(session, ctx, deal, task):
        back_to_bids(session, ctx, deal, task, "the buyer did not pay in time")
        return True
    if deal.path == "channel" and session.execute(repo.bid(deal.bid_hash)).scalar_one().valid_until < now:
        back_to_bids(session, ctx, deal, task, "the buyer did not order while the bid was valid")
        return True
    if failover.has_fallen_silent(session, ctx, deal, task):
        return failover.without_agent(session, ctx, deal, task, "the agent fell silent before it was paid")
    if current is not None and terms.have_passed(ctx, current):
        terms.lapse(session, ctx, current)
        tasks.announce_deal(session, task, deal.id, f"terms {hex0x(current.escrow_id)} lapsed unpaid")
        return True
    return False
