"""Agents: what they say of themselves under their signature, when they were last heard, and what is measured of them.

A registration is a message of the agent's wallet, and replaces the one before only if it was signed later. So nobody,
the service included, can bring an old one back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality, did, parse_address
from aicp.rules.profiles import Profile, profile_document, registration
from aicp.rules.specialties import SPECIALTIES
from backend.agents import repo, suspensions
from backend.agents.errors import RegistrationOutdated
from backend.agents.figures import Figures, figures_of
from backend.agents.models import Agent, Suspension
from backend.agents.schemas import AgentIn, AgentOut
from backend.api import paging
from backend.api.types import Page
from backend.context import Context
from backend.db.times import moment
from backend.domain.signatures import require_key
from backend.errors import Conflict, InvalidInput, NotFound
from backend.reputation.anchored import newest_anchored
from backend.x402.upstream import check_url
from indexer import views

HEARD_WITHIN_SECONDS: Final = 60
MAX_AVAILABLE: Final = 200
CLOCK_SKEW_SECONDS: Final = 300
"""How far ahead of ours the clock of an agent may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list of agents is narrowed to; None means any. A specialty is `dimension:value`, scores hundredths."""

    capability: str | None = None
    specialty: str | None = None
    industry: str | None = None
    region: str | None = None
    min_score: int | None = None
    available: bool = False


def register(session: Session, ctx: Context, address: bytes, posted: AgentIn) -> AgentOut:
    """Take what an agent has signed of itself; the very same again changes nothing.

    Raises InvalidSignature, InvalidInput, UpstreamRefused for an endpoint nobody can reach, RegistrationOutdated, and
    Conflict for a taken slug.
    """
    try:
        document = profile_document(_profile(posted), chain_id=ctx.deployment.chain_id, agent=address)
        message = registration(document, agent=address, updated_at=posted.updated_at)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    require_key(message, ctx.domains.marketplace, posted.signature, address)
    if posted.updated_at > ctx.now() + CLOCK_SKEW_SECONDS:
        raise InvalidInput("The registration was signed in the future.", what_to_do="Look at your clock.")
    if posted.endpoint is not None:
        check_url(posted.endpoint, allow_local=ctx.settings.gateway_local_upstreams)
    session.execute(repo.lock_registrations())
    holder = session.execute(repo.by_slug(posted.slug)).scalar_one_or_none()
    if holder is not None and holder.address != address:
        raise Conflict("This alias is taken.", what_to_do="Choose another slug.", field="slug")
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        agent = Agent(address=address, last_heartbeat=None, registered_at=moment(ctx.now()))
        session.add(agent)
    elif agent.signed_at is not None and posted.updated_at <= agent.signed_at:
        if (agent.document, agent.signed_at) != (document, posted.updated_at):
            raise RegistrationOutdated(what_to_do="Sign it anew, with the time of now.", known=agent.signed_at)
        return outs(session, ctx, [agent])[0]
    agent.slug, agent.name, agent.description = posted.slug, posted.name, posted.description
    agent.capabilities = list(dict.fromkeys(posted.capabilities))
    agent.task_types = list(dict.fromkeys(posted.task_types))
    agent.industry, agent.region = posted.industry, posted.region
    agent.price_floor_units, agent.capacity = posted.price_floor_units, posted.capacity
    agent.endpoint = posted.endpoint
    agent.document, agent.signed_at, agent.signature = document, posted.updated_at, posted.signature
    session.flush()
    return outs(session, ctx, [agent])[0]


def _profile(posted: AgentIn) -> Profile:
    return Profile(
        slug=posted.slug, name=posted.name, description=posted.description, capabilities=posted.capabilities,
        task_types=posted.task_types, industry=posted.industry, region=posted.region,
        price_floor_units=posted.price_floor_units, capacity=posted.capacity, endpoint=posted.endpoint,
    )  # fmt: skip


def heartbeat(session: Session, ctx: Context, address: bytes, *, takes_offers: bool = False) -> AgentOut:
    """Note that the agent is there, and whether it answers offers. Raises NotFound unless it is registered."""
    agent = session.execute(repo.by_address(address)).scalar_one_or_none()
    if agent is None:
        raise NotFound("This account is no registered agent.", what_to_do="Register first: POST /agents.")
    agent.last_heartbeat, agent.takes_offers = moment(ctx.now()), takes_offers
    session.flush()
    return outs(session, ctx, [agent])[0]


def named(session: Session, name: str) -> Agent:
    """Return the row of an agent by address or alias. Raises NotFound."""
    try:
        statement = repo.by_address(parse_address(name))
    except ValueError:
        statement = repo.by_slug(name.lower())
    agent = session.execute(statement).scalar_one_or_none()
    if agent is None:
        raise NotFound("There is no such agent.")
    return agent


def find(session: Session, ctx: Context, name: str) -> AgentOut:
    """Return an agent by address or alias. Raises NotFound."""
    return outs(session, ctx, [named(session, name)])[0]


def suspend(session: Session, ctx: Context, name: str, *, operator: bytes, reason: str) -> AgentOut:
    """Suspend an agent. Raises NotFound, Conflict where it is suspended already."""
    agent = named(session, name)
    suspensions.suspend(session, ctx, agent, operator=operator, reason=reason)
    return outs(session, ctx, [agent])[0]


def let_return(session: Session, ctx: Context, name: str, *, operator: bytes, reason: str) -> AgentOut:
    """Let a suspended agent return. Raises NotFound, Conflict where it is not suspended."""
    agent = named(session, name)
    suspensions.let_return(session, ctx, agent, operator=operator, reason=reason)
    return outs(session, ctx, [agent])[0]


def page(session: Session, ctx: Context, wanted: Wanted, *, cursor: str | None, limit: int) -> Page[AgentOut]:
    """Return one page of agents, the newest first. Raises InvalidInput for a foreign cursor or no specialty."""
    chosen = _filter(session, ctx, wanted)
    after = paging.decode(cursor, paging.moment, paging.address)
    rows = list(session.execute(repo.page(chosen, after, limit + 1)).scalars())
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        following = paging.encode(shown[-1].registered_at, shown[-1].address.hex())
    return Page(items=outs(session, ctx, shown), next_cursor=following)


def _filter(session: Session, ctx: Context, wanted: Wanted) -> repo.AgentFilter:
    anchored = None if wanted.min_score is None else newest_anchored(session, Finality.SEEN)
    return repo.AgentFilter(
        capability=wanted.capability,
        specialty=_specialty(wanted.specialty),
        industry=wanted.industry,
        region=wanted.region,
        min_score=wanted.min_score,
        epoch_id=None if anchored is None else anchored.computed.id,
        heard_since=moment(ctx.now() - HEARD_WITHIN_SECONDS) if wanted.available else None,
    )


def _specialty(said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    dimension, _, value = said.partition(":")
    if value not in SPECIALTIES.get(dimension, ()):
        raise InvalidInput("This is no specialty; they look like task_type:compute.")
    return dimension, value


def available(session: Session, ctx: Context, wanted: Wanted) -> list[AgentOut]:
    """Return the agents that were heard within a minute, have room and are not suspended, those heard last first.

    At most 200; `page` lists all of them. Raises InvalidInput for what is no specialty.
    """
    rows = session.execute(repo.heard_last(_filter(session, ctx, wanted), MAX_AVAILABLE)).scalars()
    return outs(session, ctx, list(rows))


def outs(session: Session, ctx: Context, agents: Sequence[Agent]) -> list[AgentOut]:
    """Return agents with their stake and their figures."""
    addresses = [agent.address for agent in agents]
    figures = figures_of(session, ctx, addresses)
    suspended = suspensions.open_of(session, addresses)
    stakes = views.stakes(session, addresses, Finality.SEEN)
    return [
        _out(ctx, agent, figures[agent.address], stakes[agent.address], suspended.get(agent.address))
        for agent in agents
    ]


def _out(ctx: Context, agent: Agent, known: Figures, stake: views.StakeRow, suspension: Suspension | None) -> AgentOut:
    since = moment(ctx.now() - HEARD_WITHIN_SECONDS)
    heard = agent.last_heartbeat is not None and agent.last_heartbeat > since
    return AgentOut(
        address=agent.address,
        did=did(ctx.deployment.chain_id, agent.address),
        slug=agent.slug,
        name=agent.name,
        description=agent.description,
        capabilities=agent.capabilities,
        task_types=agent.task_types,
        industry=agent.industry,
        region=agent.region,
        price_floor_units=agent.price_floor_units,
        capacity=agent.capacity,
        endpoint=agent.endpoint,
        available=heard and suspension is None and known.running < agent.capacity,
        running_tasks=known.running,
        completed_tasks=known.completed,
        failed_tasks=known.failed,
        success_rate_bps=known.success_bps,
        success_rate_measured=known.success_measured,
        response_ms=known.response_ms,
        response_measured=known.response_measured,
        score=known.score,
        score_epoch=known.score_epoch,
        tier=known.tier,
        multiplier_bps=known.multiplier_bps,
        decided_escrows=known.decided,
        suspension=None if suspension is None else suspensions.suspension_out(suspension),
        staked_units=stake.staked_units,
        stake_free_units=stake.free_units,
        last_heartbeat=agent.last_heartbeat,
        registered_at=agent.registered_at,
        updated_at=agent.signed_at,
    )
