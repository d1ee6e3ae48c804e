"""Paid endpoints of agents: what the x402 gateway stands in front of. The upstream URL is told to its agent alone."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_address
from backend.agents import repo
from backend.agents.models import Agent
from backend.agents.schemas import EndpointIn, EndpointOut, OwnEndpointOut
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.errors import Conflict, NotFound
from backend.x402 import repo as x402_repo
from backend.x402.models import PaidEndpoint
from backend.x402.offers import resource_url
from backend.x402.upstream import check_url

MOST: Final = 100


def put(session: Session, ctx: Context, address: bytes, posted: EndpointIn) -> OwnEndpointOut:
    """Offer an endpoint, or change what was said of it. Raises NotFound, Conflict, UpstreamRefused.

    What is under way at the old price is finished at it.
    """
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        raise NotFound("This account is no registered agent.", what_to_do="Register first: POST /agents.")
    check_url(posted.upstream_url, allow_local=ctx.settings.gateway_local_upstreams)
    now = moment(ctx.now())
    row = session.execute(x402_repo.endpoint(address, posted.slug)).scalar_one_or_none()
    if row is None:
        if session.execute(x402_repo.count_endpoints(address)).scalar_one() >= MOST:
            raise Conflict(f"An agent has at most {MOST} endpoints.")
        row = PaidEndpoint(id=new_id(), agent=address, slug=posted.slug, created_at=now)
        session.add(row)
    row.upstream_url, row.price_units = posted.upstream_url, posted.price_units
    row.description, row.mime_type = posted.description, posted.mime_type
    row.payment_id_required, row.free_again_seconds = posted.payment_id_required, posted.free_again_seconds
    row.active, row.updated_at = posted.active, now
    session.flush()
    return _own(ctx, row, agent)


def mine(session: Session, ctx: Context, address: bytes) -> list[OwnEndpointOut]:
    """Return the caller's endpoints, closed ones included. Raises NotFound unless it is registered."""
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        raise NotFound("This account is no registered agent.")
    rows = session.execute(x402_repo.endpoints_of(address, active_only=False)).scalars()
    return [_own(ctx, row, agent) for row in rows]


def of_agent(session: Session, ctx: Context, name: str) -> list[EndpointOut]:
    """Return what an agent sells, by its address or alias. Raises NotFound."""
    try:
        statement = repo.by_address(parse_address(name))
    except ValueError:
        statement = repo.by_slug(name)
    agent = session.execute(statement).scalar_one_or_none()
    if agent is None:
        raise NotFound("There is no such agent.")
    rows = session.execute(x402_repo.endpoints_of(agent.address, active_only=True)).scalars()
    return [EndpointOut(**_shown(ctx, row, agent)) for row in rows]


def _own(ctx: Context, row: PaidEndpoint, agent: Agent) -> OwnEndpointOut:
    return OwnEndpointOut(**_shown(ctx, row, agent), upstream_url=row.upstream_url, active=row.active)


def _shown(ctx: Context, row: PaidEndpoint, agent: Agent) -> dict[str, object]:
    return {
        "slug": row.slug, "url": resource_url(ctx, agent, row), "price_units": row.price_units,
        "description": row.description, "mime_type": row.mime_type, "payment_id_required": row.payment_id_required,
        "free_again_seconds": row.free_again_seconds, "updated_at": row.updated_at,
    }  # fmt: skip
