"""Statements over buyers who leave the choice to the scheduler: what they hold of agents' room, and their money."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    type_coerce,
    union_all,
)

from aicp.rules.constants import Constants
from backend.auctions.models import TaskOrder
from backend.db.base import Units
from backend.deals.models import Deal
from backend.domain.escrow_deal import UNPAID
from backend.domain.task_states import TaskState
from backend.payments.models import Pool
from backend.scheduler.models import TaskOffer
from backend.tasks.models import Task, TaskTransition
from indexer.projections.payment_channel import pool as mirrored_pools
from indexer.views import pool_headroom_expr, pool_pending_expr

_UNPAID = [state.value for state in UNPAID]
_NOT_PAID_YET = [*_UNPAID, TaskState.FUNDING.value]
"""A payment on its way may still fail, and somebody without money can send one."""
_GIVEN_UP = [TaskState.CANCELLED.value, TaskState.EXPIRED.value]


def pooled(units: Any, constants: Constants) -> ColumnElement[bool]:
    """Whether a pool pays a task at a price: `choose_path`, for every task at once."""
    return and_(
        units < constants.threshold_units,
        ~Task.escrow_only,
        Task.deliver_within_seconds + constants.evaluation_seconds <= constants.max_micro_seconds,
    )


def _listed(buyers: Sequence[bytes]) -> Select[bytes]:
    """Some buyers as one parameter: there may be thousands."""
    return select(func.unnest(cast(list(buyers), ARRAY(LargeBinary)), type_=LargeBinary))


def asked(buyers: Sequence[bytes], constants: Constants) -> Select[bytes, int, int]:
    """Buyers with how many offers and unpaid deals they have, and what these and deals of auctions take from pools.

    One statement, so that an offer that becomes a deal meanwhile is counted once.
    """
    nothing = literal(0, Units)
    deals = (
        select(
            Deal.buyer.label("buyer"),
            Task.instant.label("counts"),
            case((Deal.path == "channel", Deal.price_units), else_=nothing).label("units"),
        )
        .join(Task, Task.id == Deal.task_id)
        .where(Deal.live, Task.state.in_(_NOT_PAID_YET), Deal.buyer.in_(_listed(buyers)))
    )
    units = case((pooled(TaskOffer.max_units, constants), TaskOffer.max_units), else_=nothing)
    offers = (
        select(Task.buyer, literal(True), units)
        .join(Task, Task.id == TaskOffer.task_id)
        .where(TaskOffer.answer.is_(None), Task.buyer.in_(_listed(buyers)))
    )  # fmt: skip
    both = union_all(deals, offers).subquery()
    counted = func.count().filter(both.c.counts)
    return select(both.c.buyer, counted, type_coerce(func.sum(both.c.units), Units)).group_by(both.c.buyer)


def left_unpaid(buyers: Sequence[bytes], since: dt.datetime) -> Select[bytes, int]:
    """Buyers with how many tasks of theirs have ended since a moment because they did not pay, or took them back
    from an agent that had bid."""
    given_up = exists().where(
        TaskTransition.task_id == Task.id, TaskTransition.target == Task.state, TaskTransition.source.in_(_UNPAID)
    )
    return (
        select(Task.buyer, func.count())
        .where(
            Task.buyer.in_(_listed(buyers)), Task.instant, Task.state.in_(_GIVEN_UP), Task.state_since > since, given_up
        )
        .group_by(Task.buyer)
    )


def purses(buyers: Sequence[bytes] | Select[bytes], operators: Sequence[bytes]) -> Select[bytes, int, int]:
    """Buyers with what the best of their pools, and all of them, can still promise; pools being emptied do not count.

    A pool of the chain's that we have no row of has promised nothing.
    """
    held = mirrored_pools.alias("held")
    payers = buyers if isinstance(buyers, Select) else _listed(buyers)
    ours = Pool.own_paid_units - Pool.earned_units - Pool.reserved_units
    room = func.greatest(pool_headroom_expr(held.c.pool_id) + func.coalesce(ours, 0), 0)
    rooms = (
        select(held.c.payer, room.label("room"))
        .outerjoin(Pool, Pool.pool_id == held.c.pool_id)
        .where(
            held.c.payer.in_(payers),
            held.c.operator.in_(operators),
            pool_pending_expr(held.c.pool_id) == 0,
        )
        .subquery()
    )
    largest, total = func.max(rooms.c.room).label("largest"), func.sum(rooms.c.room).label("total")
    return select(rooms.c.payer, largest, total).group_by(rooms.c.payer)


def waiting_at(task_id: uuid.UUID, now: int) -> Select[int]:
    """What the buyer of a task has signed for at most, where his order is valid and nobody is asked."""
    nobody = ~exists().where(TaskOffer.task_id == task_id, TaskOffer.answer.is_(None))
    return select(TaskOrder.max_units).where(TaskOrder.task_id == task_id, TaskOrder.valid_until > now, nobody)
