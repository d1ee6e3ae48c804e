"""Statements over tasks that wait for an agent: what the choice needs of each, and never its document."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Numeric,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
)

from aicp.rules.constants import Constants
from backend.auctions.models import TaskOrder
from backend.db.base import Units
from backend.domain.scheduling import Rule
from backend.domain.task_states import TaskState
from backend.scheduler.buyer_repo import pooled, purses
from backend.scheduler.models import TaskOffer
from backend.scheduler.repo import told
from backend.tasks.models import Task

PRIORITY: Final = {"1.0": 0, "1.25": 1, "1.5": 2}
"""How many steps an urgency is worth."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A task that waits, as far as the choice of its agent goes. Times are unix seconds."""

    id: uuid.UUID
    buyer: bytes
    verifier: bytes | None
    capability: str
    priority: int
    specialty: str | None
    since: int
    units: int
    """What the buyer has signed for at most; without an order, his budget."""
    deadline: int
    """Until when his order is valid; without one, when the work would be due."""
    pooled: bool
    """Whether a pool pays it at that price."""

    @classmethod
    def of(cls, row: Row[*tuple[Any, ...]]) -> Posted:
        """Return what the first columns of a row say."""
        return cls(*row[:10])


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a round looks for: `floors` are the least prices of agents that have room, by capability; `most_of_one` is
    for one buyer and capability."""

    now: int
    floors: Mapping[str, int]
    operators: Sequence[bytes]
    most_of_one: int
    most: int


def _seconds(moment: Any) -> ColumnElement[int]:
    return cast(func.floor(func.extract("epoch", moment)), BigInteger)


def _facts(constants: Constants) -> list[Any]:
    """The columns of `Posted`, of a task beside its order."""
    units = func.coalesce(TaskOrder.max_units, Task.budget_units, type_=Units)
    due = _seconds(Task.auction_ends_at) + Task.deliver_within_seconds
    return [
        Task.id,
        Task.buyer,
        Task.verifier,
        Task.capability,
        case(PRIORITY, value=Task.urgency, else_=0).label("priority"),
        Task.specialty,
        _seconds(Task.created_at).label("since"),
        units.label("units"),
        func.coalesce(TaskOrder.valid_until, due).label("deadline"),
        pooled(units, constants).label("pooled"),
    ]


def _valid_order(now: int) -> ColumnElement[bool]:
    return (TaskOrder.task_id == Task.id) & (TaskOrder.valid_until > now)


def waiting(now: int, limit: int, constants: Constants) -> Select[*tuple[Any, ...]]:
    """Open tasks, those that were posted first: what `Posted` has, the budget, when, and whether the scheduler's."""
    return (
        select(*_facts(constants), Task.budget_units, Task.created_at, Task.instant)
        .outerjoin(TaskOrder, _valid_order(now))
        .where(Task.state == TaskState.OPEN.value)
        .order_by(Task.created_at, Task.id)
        .limit(limit)
    )


def to_offer(demand: Demand, rule: Rule, constants: Constants) -> Select[*tuple[Any, ...]]:
    """Open tasks of the scheduler's that nobody is asked about, that somebody with room does for the price, and that
    their buyers have the money for.

    Every buyer's first task, then every one's second, and so on: who posts thousands hides nobody's. Of one capability
    first is what the rule takes first. Tasks somebody was asked about before come last: nobody may be left for them.
    """
    nobody_asked = ~exists().where(TaskOffer.task_id == Task.id, TaskOffer.answer.is_(None))
    free = and_(Task.state == TaskState.OPEN.value, Task.instant, nobody_asked)
    able = (
        func.unnest(cast(list(demand.floors), ARRAY(Text)), cast(list(demand.floors.values()), ARRAY(Numeric(78, 0))))
        .table_valued("capability", "floor_units", name="able")
        .render_derived()
    )
    purse = purses(select(Task.buyer).where(free), demand.operators).cte("purse")
    covered = or_(~pooled(TaskOrder.max_units, constants), purse.c.largest >= TaskOrder.max_units)
    facts = {column.name: column for column in _facts(constants)}
    steps = cast(func.floor((demand.now - facts["since"]) / rule.aging_seconds), BigInteger)
    asked = exists().where(TaskOffer.task_id == Task.id, told())
    turn = (asked, (facts["priority"] + steps).desc(), TaskOrder.valid_until, facts["since"], Task.id)
    place = func.row_number().over(partition_by=(Task.buyer, Task.capability), order_by=turn)
    found = (
        select(*facts.values(), asked.label("asked"), place.label("place"))
        .join(TaskOrder, _valid_order(demand.now))
        .join(able, able.c.capability == Task.capability)
        .outerjoin(purse, purse.c.payer == Task.buyer)
        .where(free, TaskOrder.max_units >= able.c.floor_units, covered)
        .subquery()
    )
    of_buyer = func.row_number().over(
        partition_by=(found.c.asked, found.c.buyer), order_by=(found.c.place, found.c.since, found.c.id)
    )
    return (
        select(*(found.c[name] for name in facts))
        .where(found.c.place <= demand.most_of_one)
        .order_by(found.c.asked, of_buyer, found.c.since, found.c.id)
        .limit(demand.most)
    )


def lock_open(task_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, str]:
    """Those of some tasks that are open still, locked, with their titles; rows others hold are left."""
    return (
        select(Task.id, Task.title)
        .where(Task.id.in_(task_ids), Task.state == TaskState.OPEN.value)
        .order_by(Task.id)
        .with_for_update(skip_locked=True)
    )
