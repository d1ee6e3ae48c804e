"""Statements over agents, their suspensions and the figures of their deals and calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    ScalarSelect,
    Select,
    TextClause,
    and_,
    cast,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert

from aicp.rules.reputation import FLOOR
from backend.agents.models import Agent, CallDay, Suspension
from backend.deals.models import Deal
from backend.domain.task_states import TaskState
from backend.reputation.models import Score
from backend.tasks.models import Task

RUNNING = (TaskState.ASSIGNED, TaskState.RUNNING, TaskState.DELIVERED, TaskState.DISPUTED)
LOCK: Final = 4_703_811_961


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """What a list of agents is narrowed to; None means any.

    `min_score`, in hundredths, is by the scores of `epoch_id`. With `heard_since` only those are left that were heard
    after that moment, have room and are not suspended.
    """

    capability: str | None = None
    specialty: tuple[str, str] | None = None
    industry: str | None = None
    region: str | None = None
    min_score: int | None = None
    epoch_id: int | None = None
    heard_since: dt.datetime | None = None


def lock_registrations() -> TextClause:
    """Let one transaction after the other register agents, so that aliases and newer signatures are decided once."""
    return text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=LOCK)


def by_address(address: bytes) -> Select[Agent]:
    """One agent by address."""
    return select(Agent).where(Agent.address == address)


def by_slug(slug: str) -> Select[Agent]:
    """One agent by its alias."""
    return select(Agent).where(Agent.slug == slug)


def suspended(address: Any) -> ColumnElement[bool]:
    """Whether the agent of this address, or of another table's row, is suspended now."""
    return select(Suspension.id).where(Suspension.agent == address, Suspension.ended_at.is_(None)).exists()


def _running() -> ScalarSelect[int]:
    """How many deals of the agent of the row are in work."""
    working = (Deal.agent == Agent.address, Deal.live, Task.state.in_([state.value for state in RUNNING]))
    found = select(func.count()).select_from(Deal).join(Task, Task.id == Deal.task_id).where(*working)
    return found.scalar_subquery()


def _good_at(dimension: str, value: str) -> ColumnElement[bool]:
    match dimension:
        case "task_type":
            return Agent.task_types.any_() == value
        case "industry":
            return Agent.industry == value
        case _:
            return Agent.region == value


def _chosen(wanted: AgentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.capability is not None:
        found.append(Agent.capabilities.any_() == wanted.capability)
    if wanted.specialty is not None:
        found.append(_good_at(*wanted.specialty))
    if wanted.industry is not None:
        found.append(Agent.industry == wanted.industry)
    if wanted.region is not None:
        found.append(Agent.region == wanted.region)
    if wanted.min_score is not None:
        shown = select(Score.score).where(Score.epoch_id == wanted.epoch_id, Score.agent == Agent.address)
        found.append(func.coalesce(shown.scalar_subquery(), FLOOR) >= wanted.min_score)
    if wanted.heard_since is not None:
        found += [Agent.last_heartbeat > wanted.heard_since, ~suspended(Agent.address), _running() < Agent.capacity]
    return found


def page(wanted: AgentFilter, after: tuple[dt.datetime, bytes] | None, limit: int) -> Select[Agent]:
    """Agents, the newest first, from behind a row."""
    statement = select(Agent).where(*_chosen(wanted)).limit(limit)
    if after is not None:
        moment, address = after
        statement = statement.where(
            or_(Agent.registered_at < moment, and_(Agent.registered_at == moment, Agent.address < address))
        )
    return statement.order_by(Agent.registered_at.desc(), Agent.address.desc())


def heard_last(wanted: AgentFilter, limit: int) -> Select[Agent]:
    """Agents, the most recently heard first."""
    order = (Agent.last_heartbeat.desc(), Agent.address)
    return select(Agent).where(*_chosen(wanted)).order_by(*order).limit(limit)


def names(addresses: Iterable[bytes]) -> Select[bytes, str]:
    """The names that agents have registered."""
    return select(Agent.address, Agent.name).where(Agent.address.in_(list(addresses)))


def in_work(addresses: Sequence[bytes]) -> Select[bytes, int]:
    """Per agent: deals in work."""
    working = (Deal.live, Deal.agent.in_(addresses), Task.state.in_([state.value for state in RUNNING]))
    return select(Deal.agent, func.count()).join(Task, Task.id == Deal.task_id).where(*working).group_by(Deal.agent)


def counted(addresses: Sequence[bytes]) -> Select[bytes, int, int]:
    """Per agent: deals that count as completed, and as failed."""
    completed, failed = (func.count().filter(Deal.counts_as == said) for said in ("completed", "failed"))
    known = (Deal.agent.in_(addresses), Deal.counts_as.is_not(None))
    return select(Deal.agent, completed, failed).where(*known).group_by(Deal.agent)


def response_times(addresses: Sequence[bytes], since: dt.date) -> Select[bytes, int, int]:
    """Per agent: calls its server has answered from a day on, and how many milliseconds they took together."""
    answered = cast(func.sum(CallDay.answered), BigInteger)
    total_ms = cast(func.sum(CallDay.total_ms), BigInteger)
    return (
        select(CallDay.agent, answered, total_ms)
        .where(CallDay.agent.in_(addresses), CallDay.day >= since)
        .group_by(CallDay.agent)
        .having(answered > 0)
    )


def add_calls(rows: Sequence[Mapping[str, Any]]) -> Insert:
    """Add calls to the days of their agents."""
    statement = pg_insert(CallDay).values(list(rows))
    counts = ("answered", "failed", "total_ms")
    return statement.on_conflict_do_update(
        index_elements=["agent", "day"],
        set_={name: getattr(CallDay, name) + getattr(statement.excluded, name) for name in counts},
    )


def scores(epoch_id: int, addresses: Sequence[bytes]) -> Select[Score]:
    """What an epoch says of these agents."""
    return select(Score).where(Score.epoch_id == epoch_id, Score.agent.in_(addresses))


def open_suspensions(addresses: Sequence[bytes]) -> Select[Suspension]:
    """Suspensions of these agents that are not over."""
    return select(Suspension).where(Suspension.agent.in_(addresses), Suspension.ended_at.is_(None))


def suspensions(address: bytes, limit: int) -> Select[Suspension]:
    """The suspensions of an agent, newest first."""
    return select(Suspension).where(Suspension.agent == address).order_by(Suspension.id.desc()).limit(limit)


def count_heard_since(moment: dt.datetime) -> Select[int]:
    """How many agents were heard since a moment."""
    return select(func.count()).select_from(Agent).where(Agent.last_heartbeat > moment)
