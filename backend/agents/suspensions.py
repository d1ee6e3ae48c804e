"""Suspensions: operators take an agent out of the market and let it return, each time with a reason all can read.

A suspended agent may not bid, is not available and is given nothing by the scheduler. What it has in work goes on, and
what it has earned is its own: money is the contracts' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from backend.agents import repo
from backend.agents.errors import AgentSuspended
from backend.agents.models import Agent, Suspension
from backend.agents.schemas import SuspensionOut
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.errors import Conflict
from backend.notifications import sources as notices

MOST: Final = 100


def suspend(session: Session, ctx: Context, agent: Agent, *, operator: bytes, reason: str) -> Suspension:
    """Suspend an agent. Raises Conflict where it is suspended already."""
    session.execute(repo.lock_registrations())
    if _open(session, agent.address) is not None:
        raise Conflict("The agent is suspended already.")
    row = Suspension(
        id=new_id(), agent=agent.address, reason=reason, operator=operator, since=moment(ctx.now()), ended_at=None,
        ended_reason=None, ended_by=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    notices.suspended(session, row)
    return row


def let_return(session: Session, ctx: Context, agent: Agent, *, operator: bytes, reason: str) -> Suspension:
    """End the suspension of an agent. Raises Conflict where there is none."""
    session.execute(repo.lock_registrations())
    row = _open(session, agent.address)
    if row is None:
        raise Conflict("The agent is not suspended.")
    row.ended_at, row.ended_reason, row.ended_by = moment(ctx.now()), reason, operator
    session.flush()
    notices.returned(session, row)
    return row


def require_free(session: Session, address: bytes) -> None:
    """Raise AgentSuspended where an agent is suspended now; accounts that are no agents are not."""
    row = _open(session, address)
    if row is not None:
        raise AgentSuspended(
            f"An operator has suspended this agent: {row.reason}",
            what_to_do="Ask the operator; what is in work goes on.",
            since=row.since.isoformat(),
        )


def open_of(session: Session, addresses: Sequence[bytes]) -> dict[bytes, Suspension]:
    """Return the suspension of each of these agents that is suspended now."""
    if not addresses:
        return {}
    return {row.agent: row for row in session.execute(repo.open_suspensions(addresses)).scalars()}


def history(session: Session, agent: Agent) -> list[SuspensionOut]:
    """Return the suspensions of an agent, newest first."""
    return [suspension_out(row) for row in session.execute(repo.suspensions(agent.address, MOST)).scalars()]


def suspension_out(row: Suspension) -> SuspensionOut:
    """Return a suspension as everybody sees it."""
    return SuspensionOut(
        reason=row.reason, operator=row.operator, since=row.since, ended_at=row.ended_at,
        ended_reason=row.ended_reason, ended_by=row.ended_by,
    )  # fmt: skip


def _open(session: Session, address: bytes) -> Suspension | None:
    return session.execute(repo.open_suspensions([address])).scalar_one_or_none()
