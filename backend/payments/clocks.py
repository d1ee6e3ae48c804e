"""Clocks of orders: silence accepts a delivered result, a missed delivery frees the reserve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from backend.context import Context
from backend.deals import failover
from backend.deals import repo as deals_repo
from backend.deals.service import end
from backend.domain.task_states import TaskState
from backend.payments import repo
from backend.payments.models import MicroOrder
from backend.payments.orders import complete
from backend.payments.receipts import void
from backend.tasks import service as tasks

AT_ONCE: Final = 200
Place = tuple[int, bytes]
"""Where a page ends: the clock and the hash of its last order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order whose clock has run out."""

    place: Place
    order_hash: bytes


def due(session: Session, ctx: Context, after: Place | None = None) -> list[Due]:
    """Return the next page of orders whose clock has run out, margin included."""
    statement = repo.orders_due(ctx.now(), ctx.constants.keeper_margin_seconds, after, AT_ONCE)
    rows = session.execute(statement).scalars()
    return [Due(place=(order.evaluate_by, order.order_hash), order_hash=order.order_hash) for order in rows]


def run_out(session: Session, ctx: Context, due_order: Due) -> bool:
    """Act on one order whose clock has run out; return whether anything changed."""
    known = session.get(MicroOrder, due_order.order_hash)
    deal = None if known is None else session.execute(deals_repo.by_id(known.deal_id)).scalar_one()
    if known is None or deal is None:
        return False
    task = session.execute(deals_repo.task_skip_locked(deal.task_id)).scalar_one_or_none()
    order = session.execute(repo.order_of_deal(deal.id)).scalar_one()
    if task is None or task.deal_id != deal.id:
        return False
    late = ctx.now() - ctx.constants.keeper_margin_seconds
    if order.state == "delivered" and order.evaluate_by <= late:
        evidence: dict[str, object] = {"evaluate_by": order.evaluate_by}
        complete(session, ctx, deal, task, order, reason="silence is acceptance", evidence=evidence)
        return True
    if order.state == "reserved" and order.deliver_by <= late:
        void(session, order)
        reason, missed = "not delivered in time", {"deliver_by": order.deliver_by}
        if task.instant:
            failover.fail_over_now(session, ctx, deal, task, reason=reason, evidence=missed, blamed=True)
            return True
        tasks.move(session, ctx, task, TaskState.EXPIRED, reason=reason, evidence=missed, deal_id=deal.id)
        end(session, deal, reason)
        return True
    return False
