"""Statements over the levels of pools that their payers want to hear of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, Select, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import aliased

from backend.deals.models import Deal
from backend.domain.task_states import TaskState
from backend.payments.models import Pool, PoolWatch
from backend.tasks.models import Task
from indexer.projections.payment_channel import pool as mirrored_pools
from indexer.views import pool_headroom_expr, threatened_pools


def watch(pool_id: bytes) -> Select[PoolWatch]:
    """Below what the payer of a pool wants to be told."""
    return select(PoolWatch).where(PoolWatch.pool_id == pool_id).execution_options(populate_existing=True)


def set_threshold(pool_id: bytes, below_units: int | None) -> Insert:
    """Tell from now on when less is free in a pool; whoever changes it hears of a fall anew."""
    statement = pg_insert(PoolWatch).values(pool_id=pool_id, below_units=below_units)
    changed = {"below_units": statement.excluded.below_units, "low": False}
    return statement.on_conflict_do_update(index_elements=["pool_id"], set_=changed)


def watched_pools() -> Select[bytes, bytes, int, int, int | None, bool | None, bool | None]:
    """Pools whose level may have changed, with what it follows from.

    Pool, payer, room, what deals that wait for payment need, the payer's threshold, and whether he was told that it is
    low or short. Room below zero: the chain covers less than what is promised. Deals that wait are those of the
    payer's newest pool with an operator.
    """
    known = mirrored_pools.c.pool_id
    unpaid = (Deal.live, Deal.path == "channel", Task.state == TaskState.AWAITING_PAYMENT.value)
    of_pool = (Deal.buyer == Pool.payer, Deal.operator == Pool.operator)
    newer = aliased(Pool)
    replaced = exists().where(
        newer.payer == Pool.payer, newer.operator == Pool.operator, newer.created_at > Pool.created_at
    )
    waits = (
        select(func.coalesce(func.sum(Deal.price_units), 0))
        .join(Task, Task.id == Deal.task_id)
        .where(*unpaid, *of_pool, ~replaced)
        .correlate(Pool)
        .scalar_subquery()
    )
    room = pool_headroom_expr(Pool.__table__.c.pool_id) + Pool.own_paid_units - Pool.earned_units - Pool.reserved_units
    buyers = select(Deal.buyer).join(Task, Task.id == Deal.task_id).where(*unpaid)
    told = select(PoolWatch.pool_id).where(or_(PoolWatch.below_units.is_not(None), PoolWatch.low, PoolWatch.short))
    return (
        select(
            Pool.pool_id, Pool.payer, room, waits, PoolWatch.below_units, PoolWatch.low, PoolWatch.short
        )
        .outerjoin(PoolWatch, PoolWatch.pool_id == Pool.pool_id)
        .where(
            or_(Pool.pool_id.in_(told), Pool.pool_id.in_(threatened_pools()), Pool.payer.in_(buyers)),
            exists().where(known == Pool.pool_id),
        )
        .order_by(Pool.pool_id)
    )  # fmt: skip


def note_level(pool_id: bytes, *, low: bool, short: bool) -> Any:
    """Write down how a pool stands, and return which fall it is: nothing where another worker was first."""
    statement = pg_insert(PoolWatch).values(pool_id=pool_id, low=low, short=short, falls=int(low or short))
    new = statement.excluded
    fell = or_(and_(new.low, ~PoolWatch.low), and_(new.short, ~PoolWatch.short))
    return statement.on_conflict_do_update(
        index_elements=["pool_id"],
        set_={"low": new.low, "short": new.short, "falls": PoolWatch.falls + case((fell, 1), else_=0)},
        where=or_(PoolWatch.low != new.low, PoolWatch.short != new.short),
    ).returning(PoolWatch.falls)
