"""Buyers who leave the choice to the scheduler, as its rule knows them: from the tables, no node is asked."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from aicp.rules.route import choose_path, micro_duration
from backend.context import Context
from backend.db.times import moment
from backend.domain.places import MEMORY_SECONDS, Buyer, Hold
from backend.domain.task_states import TaskState
from backend.scheduler import buyer_repo as repo
from backend.tasks.models import Task


def as_they_stand(session: Session, ctx: Context, addresses: Collection[bytes]) -> dict[bytes, Buyer]:
    """Return every one of some buyers."""
    wanted = list(addresses)
    if not wanted:
        return {}
    asked = {row[0]: row for row in session.execute(repo.asked(wanted, ctx.constants)).tuples()}
    since = moment(ctx.now() - MEMORY_SECONDS)
    left = dict(session.execute(repo.left_unpaid(wanted, since)).tuples().all())
    purses = {row[0]: row for row in session.execute(repo.purses(wanted, operators(ctx))).tuples()}
    found: dict[bytes, Buyer] = {}
    for one in wanted:
        _, busy, units = asked.get(one, (one, 0, 0))
        _, largest, total = purses.get(one, (one, 0, 0))
        found[one] = Buyer(
            busy=busy, left=left.get(one, 0), largest_units=int(largest), total_units=int(total), asked_units=units
        )  # fmt: skip
    return found


def operators(ctx: Context) -> list[bytes]:
    """Return whose pools take orders now."""
    return [epoch.address for epoch in ctx.serving()]


def hold_of(session: Session, ctx: Context, task: Task) -> Hold | None:
    """Return why a task waits for its buyer, None where it does not."""
    if not task.instant or task.state != TaskState.OPEN.value:
        return None
    units = session.execute(repo.waiting_at(task.id, ctx.now())).scalar_one_or_none()
    if units is None:
        return None
    path = choose_path(
        units,
        task_escrow_only=task.escrow_only,
        bid_escrow_only=False,
        duration_seconds=micro_duration(task.deliver_within_seconds, ctx.constants),
        constants=ctx.constants,
    )
    buyer = as_they_stand(session, ctx, [task.buyer])[task.buyer]
    return buyer.hold(ctx.settings.buyer_places, units, pooled=path == "channel")
