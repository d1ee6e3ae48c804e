"""Statements over breakers."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.breakers.models import BreakerRow
from backend.domain.breaker import State
from backend.txm.models import NodeState

NEWS: Final = "aicp_breaker"
"""The channel on which committed changes are told of: the row as JSON."""


def first(agent: bytes) -> Insert:
    """Give an agent its row unless it has one."""
    values = {"agent": agent, "version": 0, "state": State.CLOSED.value, "turn": 0, "failures": 0, "rest_ms": 0}
    none = {"until_ms": 0, "given": 0, "succeeded": 0, "opened": 0}
    return pg_insert(BreakerRow).values(**values, **none).on_conflict_do_nothing(index_elements=["agent"])


def locked(agent: bytes) -> Select[BreakerRow]:
    """An agent's row, locked, waiting for another holder."""
    found = select(BreakerRow).where(BreakerRow.agent == agent).with_for_update()
    return found.execution_options(populate_existing=True)


def latest(limit: int) -> Select[BreakerRow]:
    """Rows, those that let nobody through first, then those changed last."""
    closed = BreakerRow.state == State.CLOSED.value
    return select(BreakerRow).order_by(closed, BreakerRow.updated_at.desc(), BreakerRow.agent).limit(limit)


def failing(limit: int) -> Select[BreakerRow]:
    """Rows of agents that fail, those that failed last first."""
    bad = or_(BreakerRow.state != State.CLOSED.value, BreakerRow.failures > 0)
    return select(BreakerRow).where(bad).order_by(BreakerRow.failed_at.desc(), BreakerRow.agent).limit(limit)


def telling(since: dt.datetime) -> Select[BreakerRow]:
    """Rows that say more than that all is well, and those changed since a moment."""
    bad = or_(BreakerRow.state != State.CLOSED.value, BreakerRow.failures > 0)
    return select(BreakerRow).where(or_(bad, BreakerRow.updated_at > since))


def resting(agent: Any, now_ms: int) -> ColumnElement[bool]:
    """Whether the agent of another table's row lets nobody through now."""
    rests = (BreakerRow.agent == agent, BreakerRow.state == State.OPEN.value, BreakerRow.until_ms > now_ms)
    return select(BreakerRow.agent).where(*rests).exists()


def wish_node(name: str, at: dt.datetime) -> Any:
    """Note that an operator wants a node asked again; return its row where there is one."""
    return update(NodeState).where(NodeState.name == name).values(reset_at=at).returning(NodeState)


def tell(news: str) -> Any:
    """Tell every process, at commit, what a row has become."""
    return text("SELECT pg_notify(:channel, :news)").bindparams(channel=NEWS, news=news)


def now() -> Any:
    """The database's clock."""
    return func.now()
