"""Statements over what waits, who could do it, and what was decided lately."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Select, func, select

from backend.agents.models import Agent
from backend.agents.repo import suspended
from backend.breakers.models import BreakerRow
from backend.deals.models import Deal
from backend.domain.breaker import State
from backend.domain.task_states import TERMINAL, TaskState
from backend.tasks.models import Task, TaskTransition


def waiting_by_capability() -> Select[str, int]:
    """How many open tasks there are of each capability."""
    return select(Task.capability, func.count()).where(Task.state == TaskState.OPEN.value).group_by(Task.capability)


def waiting(limit: int) -> Select[Task]:
    """Open tasks, those that were posted first."""
    return select(Task).where(Task.state == TaskState.OPEN.value).order_by(Task.created_at, Task.id).limit(limit)


def agents(limit: int) -> Select[Agent]:
    """Agents that are not suspended, those heard last first."""
    order = (Agent.last_heartbeat.desc().nulls_last(), Agent.address)
    return select(Agent).where(~suspended(Agent.address)).order_by(*order).limit(limit)


def in_flight(addresses: Sequence[bytes]) -> Select[bytes, int]:
    """How many deals of each agent are neither over nor given up."""
    ended = [state.value for state in TERMINAL]
    return (
        select(Deal.agent, func.count())
        .join(Task, Task.id == Deal.task_id)
        .where(Deal.live, Task.state.not_in(ended), Deal.agent.in_(addresses))
        .group_by(Deal.agent)
    )


def rests(addresses: Sequence[bytes]) -> Select[bytes, int]:
    """The end of the rest of each agent whose breaker is open, in milliseconds since 1970."""
    resting = BreakerRow.state == State.OPEN.value
    return select(BreakerRow.agent, BreakerRow.until_ms).where(resting, BreakerRow.agent.in_(addresses))


def latest_deals(limit: int) -> Select[Deal]:
    """The deals that were opened last; their ids grow with time."""
    return select(Deal).order_by(Deal.id.desc()).limit(limit)


def awards(task_ids: Sequence[uuid.UUID]) -> Select[TaskTransition]:
    """How tasks were awarded, oldest first."""
    awarded = TaskTransition.target == TaskState.AWARDED.value
    return select(TaskTransition).where(TaskTransition.task_id.in_(task_ids), awarded).order_by(TaskTransition.id)
