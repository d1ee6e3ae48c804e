"""Circuit breakers on the wire."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from backend.api.types import Model, UtcTime
from backend.breakers.models import BreakerRow
from backend.domain.breaker import State
from backend.txm.models import NodeState


class BreakerOut(Model):
    """The circuit breaker of an agent's server, or of a chain node of ours."""

    id: str
    """The agent's address, or the node's name."""
    kind: Literal["agent", "node"]
    state: State
    """`open`: it rests after failures and is not called; `half_open`: a few calls try whether it is well."""
    failures: int
    """How often it has failed in a row."""
    retry_at: UtcTime | None
    """When the rest of an agent's server is over; null where it does not rest."""
    updated_at: UtcTime


class FailureOut(BreakerOut):
    """A server that fails, with its last error."""

    last_error: str | None
    opened: int | None
    """How often the breaker of an agent's server has opened."""


def agent_out(row: BreakerRow, name: str) -> BreakerOut:
    """Return an agent's breaker; `name` is the agent's address as text."""
    return BreakerOut(
        id=name,
        kind="agent",
        state=State(row.state),
        failures=row.failures,
        retry_at=_retry_at(row),
        updated_at=row.updated_at,
    )


def agent_failure(row: BreakerRow, name: str) -> FailureOut:
    """Return an agent's breaker with its last error."""
    return FailureOut(**dict(agent_out(row, name)), last_error=row.last_error, opened=row.opened)


def node_out(node: NodeState) -> BreakerOut:
    """Return a node's breaker, as the workers found it lately."""
    return BreakerOut(
        id=node.name,
        kind="node",
        state=State.CLOSED if node.answers else State.OPEN,
        failures=node.failures,
        retry_at=None,
        updated_at=node.updated_at,
    )


def node_failure(node: NodeState) -> FailureOut:
    """Return a node's breaker with its last error."""
    return FailureOut(**dict(node_out(node)), last_error=node.last_error, opened=None)


def _retry_at(row: BreakerRow) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(row.until_ms / 1000, dt.UTC) if row.state == State.OPEN.value else None
