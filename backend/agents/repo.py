"""Statements over agents and the figures of their deals."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from backend.agents.models import Agent
from backend.deals.models import Deal
from backend.domain.task_states import TaskState
from backend.tasks.models import Task, TaskTransition

RUNNING = (TaskState.ASSIGNED, TaskState.RUNNING, TaskState.DELIVERED, TaskState.DISPUTED)
COMPLETED = (TaskState.COMPLETED, TaskState.SPLIT)
FAILED = (TaskState.FAILED, TaskState.EXPIRED, TaskState.REFUNDED, TaskState.REJECTED)


def by_address(address: bytes) -> Select[Agent]:
    """One agent by address."""
    return select(Agent).where(Agent.address == address)


def by_slug(slug: str) -> Select[Agent]:
    """One agent by its alias."""
    return select(Agent).where(Agent.slug == slug)


def _knows(capability: str | None) -> list[ColumnElement[bool]]:
    return [] if capability is None else [Agent.capabilities.any_() == capability]


def page(capability: str | None, after: tuple[dt.datetime, bytes] | None, limit: int) -> Select[Agent]:
    """Agents, the newest first, from behind a row."""
    statement = select(Agent).where(*_knows(capability)).limit(limit)
    if after is not None:
        moment, address = after
        statement = statement.where(
            or_(Agent.registered_at < moment, and_(Agent.registered_at == moment, Agent.address < address))
        )
    return statement.order_by(Agent.registered_at.desc(), Agent.address.desc())


def heard_since(moment: dt.datetime, capability: str | None, limit: int) -> Select[Agent]:
    """Agents heard since a moment, the most recent first."""
    return (
        select(Agent)
        .where(Agent.last_heartbeat > moment, *_knows(capability))
        .order_by(Agent.last_heartbeat.desc(), Agent.address)
        .limit(limit)
    )


def _reached(states: tuple[TaskState, ...]) -> ColumnElement[bool]:
    """Whether the deal itself brought its task into one of the states (the task may since have moved on)."""
    return (
        select(TaskTransition.id)
        .where(TaskTransition.deal_id == Deal.id, TaskTransition.target.in_([state.value for state in states]))
        .exists()
    )


def figures(addresses: list[bytes]) -> Select[bytes, int, int, int]:
    """Per agent: deals in work, completed, and failed after the agent had taken the work on."""
    working = and_(Deal.live, Task.state.in_([state.value for state in RUNNING]))
    return (
        select(
            Deal.agent,
            func.count().filter(working),
            func.count().filter(_reached(COMPLETED)),
            func.count().filter(_reached(FAILED), _reached((TaskState.ASSIGNED,))),
        )
        .join(Task, Task.id == Deal.task_id)
        .where(Deal.agent.in_(addresses))
        .group_by(Deal.agent)
    )


def count_heard_since(moment: dt.datetime) -> Select[int]:
    """How many agents were heard since a moment."""
    return select(func.count()).select_from(Agent).where(Agent.last_heartbeat > moment)
