"""Statements over tasks, their history and their files."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import aliased

from backend.auctions.models import Bid
from backend.deals.models import Deal
from backend.domain.task_states import TaskState
from backend.tasks.models import Task, TaskFile, TaskTransition

Sort = Literal["newest", "budget", "ending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """What a list of tasks is narrowed to; None means any."""

    states: tuple[TaskState, ...] = ()
    capability: str | None = None
    buyer: bytes | None = None
    party: bytes | None = None
    words: str | None = None


_KEYS: Final[dict[Sort, tuple[Any, bool]]] = {
    "newest": (Task.created_at, True),
    "budget": (Task.budget_units, True),
    "ending": (Task.auction_ends_at, False),
}
"""Sort column and whether it runs downwards."""


def by_id(task_id: uuid.UUID) -> Select[Task]:
    """One task."""
    return select(Task).where(Task.id == task_id)


def locked(task_id: uuid.UUID) -> Select[Task]:
    """One task, its row locked until the end of the transaction and read anew."""
    return by_id(task_id).with_for_update().execution_options(populate_existing=True)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _conditions(chosen: TaskFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.states:
        conditions.append(Task.state.in_([state.value for state in chosen.states]))
    if chosen.capability is not None:
        conditions.append(Task.capability == chosen.capability)
    if chosen.buyer is not None:
        conditions.append(Task.buyer == chosen.buyer)
    if chosen.party is not None:
        agent_of = exists().where(Deal.task_id == Task.id, Deal.agent == chosen.party)
        conditions.append(or_(Task.buyer == chosen.party, agent_of))
    if chosen.words:
        conditions.append(Task.title.ilike(f"%{_escaped(chosen.words)}%", escape="\\"))
    return conditions


def page(chosen: TaskFilter, sort: Sort, after: tuple[Any, uuid.UUID] | None, limit: int) -> Select[Task]:
    """Tasks in order, from behind the (sort value, id) of the last row seen."""
    column, down = _KEYS[sort]
    statement = select(Task).where(*_conditions(chosen)).limit(limit)
    if after is not None:
        here = tuple_(column, Task.id)
        there = tuple_(literal(after[0], column.type), literal(after[1], Task.id.type))
        statement = statement.where(here < there if down else here > there)
    return statement.order_by(*((column.desc(), Task.id.desc()) if down else (column, Task.id)))


def live_bid(now: int) -> ColumnElement[bool]:
    """Whether a bid counts now: not withdrawn, not expired, not replaced by a later bid of its agent."""
    later = aliased(Bid)
    replaced = exists().where(later.task_id == Bid.task_id, later.agent == Bid.agent, later.seq > Bid.seq)
    return and_(Bid.withdrawn_at.is_(None), Bid.valid_until > now, ~replaced)


def bid_figures(task_ids: list[uuid.UUID], now: int) -> Select[uuid.UUID, int, int | None]:
    """Per task: its id, how many bids count now, and the lowest of them."""
    return (
        select(Bid.task_id, func.count(), func.min(Bid.amount_units))
        .where(Bid.task_id.in_(task_ids), live_bid(now))
        .group_by(Bid.task_id)
    )


def inputs(task_ids: list[uuid.UUID]) -> Select[TaskFile]:
    """The input files of tasks, by name."""
    return (
        select(TaskFile)
        .where(TaskFile.task_id.in_(task_ids), TaskFile.role == "input")
        .order_by(TaskFile.task_id, TaskFile.name)
    )


def is_awarded_agent(task_id: uuid.UUID, address: bytes) -> Select[bool]:
    """Whether the address is the agent of the task's live deal, or has delivered on one."""
    delivered = exists().where(TaskFile.deal_id == Deal.id)
    current = exists().where(Task.id == Deal.task_id, Task.deal_id == Deal.id)
    return select(exists().where(Deal.task_id == task_id, Deal.agent == address, or_(Deal.live, current, delivered)))


def history(task_id: uuid.UUID) -> Select[TaskTransition]:
    """Every move of a task, oldest first."""
    return select(TaskTransition).where(TaskTransition.task_id == task_id).order_by(TaskTransition.id)


def deal_parties(deal_id: uuid.UUID) -> Select[bytes, bytes, bytes | None]:
    """Buyer, agent and verifier of a deal."""
    return select(Deal.buyer, Deal.agent, Deal.verifier).where(Deal.id == deal_id)


def due_without_bids(moment: dt.datetime, now: int, limit: int) -> Select[Task]:
    """Open tasks whose auction is over and where no bid counts any more; rows others hold are skipped."""
    counting = exists().where(Bid.task_id == Task.id, live_bid(now))
    return (
        select(Task)
        .where(Task.state == TaskState.OPEN.value, Task.auction_ends_at <= moment, ~counting)
        .order_by(Task.auction_ends_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def count_in(states: tuple[TaskState, ...]) -> Select[int]:
    """How many tasks stand in one of the states."""
    return select(func.count()).select_from(Task).where(Task.state.in_([state.value for state in states]))
