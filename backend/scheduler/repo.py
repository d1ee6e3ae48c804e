"""Statements over what waits, who could do it, and what was decided lately."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, true, union_all
from sqlalchemy.orm import defer

from backend.agents.models import Agent
from backend.agents.repo import suspended
from backend.breakers.models import BreakerRow
from backend.deals.models import Deal
from backend.domain.breaker import State
from backend.domain.task_states import TERMINAL, TaskState
from backend.scheduler.models import NewcomerCredit, TaskOffer
from backend.tasks.models import Task, TaskTransition

_NEEDED: Final = tuple(defer(column, raiseload=True) for column in (Agent.document, Agent.description))
"""What the choice needs of an agent is not what it says of itself."""


def waiting_by_capability() -> Select[str, int]:
    """How many open tasks there are of each capability."""
    return select(Task.capability, func.count()).where(Task.state == TaskState.OPEN.value).group_by(Task.capability)


def agents(limit: int) -> Select[Agent]:
    """Agents that are not suspended, those heard last first."""
    order = (Agent.last_heartbeat.desc().nulls_last(), Agent.address)
    return select(Agent).options(*_NEEDED).where(~suspended(Agent.address)).order_by(*order).limit(limit)


def askable(since: dt.datetime, of_one: int, most: int) -> Select[Agent]:
    """Agents that take offers, are not suspended and have a capability that a task of the scheduler's waits for.

    Of each such capability the first `of_one`: those heard since a moment, then those registered first, so that who
    beats fastest gains nothing and a crowd of new agents leaves those that are there in their places. Where these are
    more than `most`, the first of every capability come before the second of any: no crowd hides who alone can do it.
    """
    heard = func.coalesce(Agent.last_heartbeat > since, False)
    order = (heard.desc(), Agent.registered_at, Agent.address)
    wanted = select(Task.capability).where(Task.state == TaskState.OPEN.value, Task.instant)
    able = func.unnest(Agent.capabilities).table_valued("capability", name="able").render_derived()
    place = func.row_number().over(partition_by=able.c.capability, order_by=order)
    placed = (
        select(Agent.address, place.label("place"))
        .join(able, true())
        .where(Agent.takes_offers, ~suspended(Agent.address), able.c.capability.in_(wanted))
        .subquery()
    )
    best = func.min(placed.c.place)
    first = (
        select(placed.c.address)
        .where(placed.c.place <= of_one)
        .group_by(placed.c.address)
        .order_by(best, placed.c.address)
        .limit(most)
    )
    return select(Agent).options(*_NEEDED).where(Agent.address.in_(first)).order_by(*order)


def in_flight(addresses: Sequence[bytes]) -> Select[bytes, int]:
    """How many deals of each agent are neither over nor given up, and offers that wait for its answer, together.

    One statement, so that an offer that becomes a deal meanwhile is counted once.
    """
    ended = [state.value for state in TERMINAL]
    deals = (
        select(Deal.agent)
        .join(Task, Task.id == Deal.task_id)
        .where(Deal.live, Task.state.not_in(ended), Deal.agent.in_(addresses))
    )
    asked = select(TaskOffer.agent).where(TaskOffer.answer.is_(None), TaskOffer.agent.in_(addresses))
    busy = union_all(deals, asked).subquery()
    return select(busy.c.agent, func.count()).group_by(busy.c.agent)


def rests(addresses: Sequence[bytes]) -> Select[BreakerRow]:
    """The breakers of agents that may be open, or trying."""
    return select(BreakerRow).where(BreakerRow.state != State.CLOSED.value, BreakerRow.agent.in_(addresses))


def latest_deals(limit: int) -> Select[Deal]:
    """The deals that were opened last; their ids grow with time."""
    return select(Deal).order_by(Deal.id.desc()).limit(limit)


def awards(task_ids: Sequence[uuid.UUID]) -> Select[TaskTransition]:
    """How tasks were awarded, oldest first."""
    awarded = TaskTransition.target == TaskState.AWARDED.value
    return select(TaskTransition).where(TaskTransition.task_id.in_(task_ids), awarded).order_by(TaskTransition.id)


def credit_locked() -> Select[NewcomerCredit]:
    """What newcomers are owed; its lock is held by one round at a time."""
    return select(NewcomerCredit).with_for_update().execution_options(populate_existing=True)


def ending_offers(at: dt.datetime) -> Select[TaskOffer, bool, bool]:
    """Offers without an answer that end now, whether that is because there is nothing to answer any more, and whether
    the agent was heard of since.

    The rows of their tasks are locked; those others hold are left.
    """
    gone = or_(Task.state != TaskState.OPEN.value, suspended(TaskOffer.agent))
    heard = exists().where(Agent.address == TaskOffer.agent, Agent.last_heartbeat > TaskOffer.offered_at)
    return (
        select(TaskOffer, gone, heard)
        .join(Task, Task.id == TaskOffer.task_id)
        .where(TaskOffer.answer.is_(None), or_(gone, TaskOffer.answer_until <= at))
        .order_by(TaskOffer.id)
        .with_for_update(of=(Task, TaskOffer), skip_locked=True)
        .execution_options(populate_existing=True)
    )


def tried(task_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, bytes]:
    """Which agents were asked about which tasks; an offer that became void is none."""
    return select(TaskOffer.task_id, TaskOffer.agent).where(TaskOffer.task_id.in_(task_ids), told())


def told() -> ColumnElement[bool]:
    """Whether an offer was one: not void."""
    return TaskOffer.answer.is_distinct_from("void")


def by_task(rows: Iterable[tuple[uuid.UUID, bytes]]) -> dict[uuid.UUID, frozenset[bytes]]:
    """Return the rows of `tried` as the agents of each task."""
    found: defaultdict[uuid.UUID, set[bytes]] = defaultdict(set)
    for task_id, agent in rows:
        found[task_id].add(agent)
    return {task_id: frozenset(agents) for task_id, agents in found.items()}


def live_offer(task_id: uuid.UUID) -> Select[TaskOffer]:
    """The offer of a task that waits for an answer."""
    return _fresh(select(TaskOffer).where(TaskOffer.task_id == task_id, TaskOffer.answer.is_(None)))


def live_offers(task_ids: Sequence[uuid.UUID]) -> Select[TaskOffer]:
    """The offers of tasks that wait for an answer."""
    return select(TaskOffer).where(TaskOffer.task_id.in_(task_ids), TaskOffer.answer.is_(None))


def declined_by(task_id: uuid.UUID, agent: bytes) -> Select[TaskOffer]:
    """The offer of a task that an agent has declined."""
    said = (TaskOffer.task_id == task_id, TaskOffer.agent == agent, TaskOffer.answer == "declined")
    return _fresh(select(TaskOffer).where(*said))


def _fresh(statement: Select[TaskOffer]) -> Select[TaskOffer]:
    return statement.execution_options(populate_existing=True)


def offers(task_id: uuid.UUID) -> Select[TaskOffer]:
    """Every offer of a task, oldest first; their ids grow with time."""
    return select(TaskOffer).where(TaskOffer.task_id == task_id).order_by(TaskOffer.id)


def offers_to(agent: bytes, now: dt.datetime) -> Select[TaskOffer]:
    """The offers that wait for an agent's answer, the most urgent first."""
    mine = (TaskOffer.agent == agent, TaskOffer.answer.is_(None), TaskOffer.answer_until > now)
    return select(TaskOffer).where(*mine).order_by(TaskOffer.answer_until, TaskOffer.id)
