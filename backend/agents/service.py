"""Agents: what they say of themselves, when they were last heard, and what their deals show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, did, parse_address
from backend.agents import repo
from backend.agents.models import Agent
from backend.agents.schemas import AgentIn, AgentOut
from backend.api import paging
from backend.api.types import Page
from backend.context import Context
from backend.db.times import moment
from backend.errors import Conflict, InvalidInput, NotFound
from indexer import views

HEARD_WITHIN_SECONDS: Final = 60
DEFAULT_SUCCESS_BPS: Final = 9500
MAX_AVAILABLE: Final = 200
BPS: Final = 10_000


def register(session: Session, ctx: Context, address: bytes, posted: AgentIn) -> AgentOut:
    """Register the signed-in account as an agent, or update what it said before. Raises Conflict for a taken slug."""
    holder = session.execute(repo.by_slug(posted.slug)).scalar_one_or_none()
    if holder is not None and holder.address != address:
        raise Conflict("This alias is taken.", what_to_do="Choose another slug.", field="slug")
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        agent = Agent(address=address, last_heartbeat=None, registered_at=moment(ctx.now()))
        session.add(agent)
    agent.slug = posted.slug
    agent.name = posted.name
    agent.description = posted.description
    agent.capabilities = list(dict.fromkeys(posted.capabilities))
    agent.capacity = posted.capacity
    session.flush()
    return outs(session, ctx, [agent])[0]


def heartbeat(session: Session, ctx: Context, address: bytes) -> AgentOut:
    """Note that the agent is there. Raises NotFound unless it is registered."""
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        raise NotFound("This account is no registered agent.", what_to_do="Register first: POST /agents.")
    agent.last_heartbeat = moment(ctx.now())
    session.flush()
    return outs(session, ctx, [agent])[0]


def find(session: Session, ctx: Context, name: str) -> AgentOut:
    """Return an agent by address or alias. Raises NotFound."""
    try:
        statement = repo.by_address(parse_address(name))
    except ValueError:
        statement = repo.by_slug(name)
    agent = session.execute(statement).scalar_one_or_none()
    if agent is None:
        raise NotFound("There is no such agent.")
    return outs(session, ctx, [agent])[0]


def page(session: Session, ctx: Context, *, capability: str | None, cursor: str | None, limit: int) -> Page[AgentOut]:
    """Return one page of agents, the newest first. Raises InvalidInput for a foreign cursor."""
    rows = list(session.execute(repo.page(capability, _after(cursor), limit + 1)).scalars())
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        following = paging.encode(shown[-1].registered_at, shown[-1].address.hex())
    return Page(items=outs(session, ctx, shown), next_cursor=following)


def _after(cursor: str | None) -> tuple[dt.datetime, bytes] | None:
    if cursor is None:
        return None
    value, row_id = paging.decode(cursor)
    try:
        address = bytes.fromhex(row_id)
    except ValueError as error:
        raise InvalidInput("This cursor was not made here.") from error
    if not isinstance(value, dt.datetime):
        raise InvalidInput("This cursor was not made here.")
    return value, address


def available(session: Session, ctx: Context, *, capability: str | None) -> list[AgentOut]:
    """Return the agents heard within the last minute that have room for more work."""
    since = moment(ctx.now() - HEARD_WITHIN_SECONDS)
    rows = list(session.execute(repo.heard_since(since, capability, MAX_AVAILABLE)).scalars())
    return [agent for agent in outs(session, ctx, rows) if agent.available]


def outs(session: Session, ctx: Context, agents: Sequence[Agent]) -> list[AgentOut]:
    """Return agents with their stake and the figures of their deals; rates without any deal are defaults."""
    addresses = [agent.address for agent in agents]
    counted = {row[0]: row for row in session.execute(repo.figures(addresses))} if addresses else {}
    since = moment(ctx.now() - HEARD_WITHIN_SECONDS)
    found: list[AgentOut] = []
    for agent in agents:
        _, running, completed, failed = counted.get(agent.address, (agent.address, 0, 0, 0))
        measured = completed + failed
        heard = agent.last_heartbeat is not None and agent.last_heartbeat > since
        stake = views.stake(session, agent.address, Finality.SEEN)
        found.append(
            AgentOut(
                address=agent.address,
                did=did(ctx.deployment.chain_id, agent.address),
                slug=agent.slug,
                name=agent.name,
                description=agent.description,
                capabilities=agent.capabilities,
                capacity=agent.capacity,
                available=heard and running < agent.capacity,
                running_tasks=running,
                completed_tasks=completed,
                failed_tasks=failed,
                success_rate_bps=completed * BPS // measured if measured else DEFAULT_SUCCESS_BPS,
                success_rate_measured=measured > 0,
                staked_units=stake.staked_units,
                stake_free_units=stake.free_units,
                last_heartbeat=agent.last_heartbeat,
                registered_at=agent.registered_at,
            )
        )
    return found
