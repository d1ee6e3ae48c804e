"""The circuit breakers of agents and of nodes, as people see and reset them."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import checksum, parse_address
from backend.agents import repo as agents
from backend.breakers import repo, service
from backend.breakers.schemas import BreakerOut, FailureOut, agent_failure, agent_out, node_failure, node_out
from backend.context import Context
from backend.db.times import moment
from backend.errors import NotFound
from backend.network import repo as network

MOST: Final = 200


def health(session: Session) -> list[BreakerOut]:
    """Return the breakers of our nodes and of agents that have ever failed: those that let nobody through first."""
    nodes = [node_out(node) for node in session.execute(network.nodes()).scalars()]
    return nodes + [agent_out(row, checksum(row.agent)) for row in session.execute(repo.latest(MOST)).scalars()]


def failures(session: Session) -> list[FailureOut]:
    """Return the nodes and agents that fail, with their last errors."""
    nodes = [node_failure(n) for n in session.execute(network.nodes()).scalars() if not n.answers or n.failures]
    return nodes + [agent_failure(row, checksum(row.agent)) for row in session.execute(repo.failing(MOST)).scalars()]


def reset(session: Session, ctx: Context, name: str) -> BreakerOut:
    """Close the breaker of an agent, by address or alias; let the workers ask a node again. Raises NotFound."""
    node = session.execute(repo.wish_node(name, moment(ctx.now()))).scalar_one_or_none()
    if node is not None:
        return node_out(node)
    try:
        statement = agents.by_address(parse_address(name))
    except ValueError:
        statement = agents.by_slug(name)
    agent = session.execute(statement).scalar_one_or_none()
    if agent is None:
        raise NotFound("There is no such circuit breaker.")
    return agent_out(service.reset(session, agent.address), checksum(agent.address))
