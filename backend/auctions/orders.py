"""Buyers' signed orders: a bid at or below the buy-now price wins at once, without asking the buyer again.

Where the scheduler offers the task, only the bid of the agent that is asked does.
"""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from aicp.abi.typed_data import TaskOrder as OrderMessage
from backend.agents import suspensions
from backend.auctions import repo
from backend.auctions.awards import award_bid, live_bids
from backend.auctions.checks import MAX_BID_LIFE_SECONDS, require_running
from backend.auctions.models import Bid, TaskOrder
from backend.auctions.schemas import TaskOrderIn, TaskOrderOut
from backend.context import Context
from backend.db.times import moment
from backend.deals.service import back_to_bids
from backend.domain.signatures import require_account
from backend.domain.task_states import AWARDABLE, TaskState
from backend.errors import Conflict, InvalidInput, NotFound, SignatureExpired
from backend.scheduler import bell
from backend.scheduler.models import TaskOffer
from backend.tasks import service as tasks
from backend.tasks.models import Task

REASON = "the bid is within the price the buyer has signed"
ASSIGNED = "assigned by the scheduler, within the price the buyer has signed"


def give(session: Session, ctx: Context, buyer: bytes, task_id: uuid.UUID, posted: TaskOrderIn) -> TaskOrderOut:
    """Take the buyer's order over the buy-now price of his task; a bid that is within it already wins.

    Repeating it changes nothing. Raises NotFound for anybody else, InvalidInput for another price than the task's,
    InvalidSignature, SignatureExpired, AuctionClosed, Conflict where there is another order.
    """
    task = tasks.get_for_update(session, task_id)
    if task.buyer != buyer:
        raise NotFound("There is no such task of yours.")
    message = OrderMessage(
        task_hash=task.task_hash,
        buyer=buyer,
        max_amount=posted.max_units,
        valid_until=posted.valid_until,
        salt=posted.salt,
    )
    order_hash = message.digest(ctx.domains.marketplace)
    require_account(order_hash, posted.signature, buyer)
    known = session.execute(repo.order_of(task.id)).scalar_one_or_none()
    if known is not None:
        if known.order_hash == order_hash:
            return order_out(known)
        raise Conflict("The task has an order already.")
    if tasks.options(task).buy_now_units != posted.max_units:
        raise InvalidInput("The order is not over the task's buy-now price.")
    if posted.valid_until <= ctx.now():
        raise SignatureExpired("The order's validUntil has passed.")
    if posted.valid_until > ctx.now() + MAX_BID_LIFE_SECONDS:
        raise InvalidInput("The order is valid for longer than 30 days.")
    require_running(ctx, task)
    order = TaskOrder(
        order_hash=order_hash,
        task_id=task.id,
        max_units=posted.max_units,
        valid_until=posted.valid_until,
        salt=posted.salt,
        signature=posted.signature,
        created_at=moment(ctx.now()),
    )
    session.add(order)
    session.flush()
    if task.instant:
        session.execute(bell.ring())
        return order_out(order)
    award_first(session, ctx, task)
    return order_out(order)


def award_first(session: Session, ctx: Context, task: Task) -> bool:
    """Award the bid that came first of those within a valid order of the buyer; return whether there was one.

    A bid whose award has lapsed has had its turn, and the awards show it. The caller holds the lock of the task, which
    is open and not the scheduler's to offer.
    """
    order = session.execute(repo.order_of(task.id)).scalar_one_or_none()
    if order is None or order.valid_until <= ctx.now():
        return False
    lapsed = frozenset(session.execute(repo.lapsed(task.id)).scalars())
    within = [
        bid
        for bid in live_bids(session, ctx, task.id)
        if bid.amount_units <= order.max_units and bid.bid_hash not in lapsed
    ]
    for bid in sorted(within, key=lambda bid: bid.seq):
        _, deal = award_bid(session, ctx, task, bid, reason=REASON, decided_by="order")
        if not suspensions.open_of(session, [bid.agent]):
            return True
        back_to_bids(session, ctx, deal, task, "the agent is suspended")
        if TaskState(task.state) not in AWARDABLE:
            break
    return False


def due_by_order(session: Session, ctx: Context) -> list[uuid.UUID]:
    """Return the open tasks with a bid within the buyer's order: one whose turn has come, as another's award lapsed."""
    return list(session.execute(repo.due_by_order(ctx.now())).scalars())


def award_due(session: Session, ctx: Context, task_id: uuid.UUID) -> bool:
    """Award a task by its order if it is still due; return whether it was."""
    task = tasks.get_for_update(session, task_id)
    return TaskState(task.state) in AWARDABLE and award_first(session, ctx, task)


def assign(session: Session, ctx: Context, task: Task, bid: Bid, offer: TaskOffer) -> None:
    """Award the bid of the agent that the scheduler has asked; the caller has checked it against the offer."""
    award_bid(session, ctx, task, bid, reason=f"{ASSIGNED} ({offer.why})", decided_by="order")


def read(session: Session, task_id: uuid.UUID) -> TaskOrderOut:
    """Return the buyer's order of a task. Raises NotFound where there is none."""
    order = session.execute(repo.order_of(task_id)).scalar_one_or_none()
    if order is None:
        raise NotFound("The task has no order.")
    return order_out(order)


def order_out(order: TaskOrder) -> TaskOrderOut:
    """Return an order as everybody may see it."""
    return TaskOrderOut(
        order_hash=order.order_hash,
        max_units=order.max_units,
        valid_until=order.valid_until,
        salt=order.salt,
        signature=order.signature,
        created_at=order.created_at,
    )
