"""Agents over HTTP."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.orm import Session

from aicp.rules.scores import MAX_SCORE
from backend.agents import endpoints, registration_file, service, suspensions
from backend.agents.schemas import (
    AgentIn,
    AgentOut,
    EndpointIn,
    EndpointOut,
    HeartbeatIn,
    Industry,
    OwnEndpointOut,
    ReasonIn,
    Region,
    RegistrationFileOut,
    SuspensionOut,
)
from backend.agents.service import Wanted
from backend.api.deps import BidSession, Ctx, CurrentSession, OperatorSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page

router = APIRouter(prefix="/agents", tags=["agents"])
well_known = APIRouter(prefix="/.well-known", include_in_schema=False)
"""At the root."""

AgentId = Annotated[str, Path(max_length=42)]


async def _wanted(
    *,
    capability: Annotated[str | None, Query(max_length=40)] = None,
    specialty: Annotated[str | None, Query(max_length=60, description="As `task_type:compute`.")] = None,
    industry: Industry | None = None,
    region: Region | None = None,
    min_score: Annotated[int | None, Query(ge=0, le=MAX_SCORE, description="Hundredths.")] = None,
) -> Wanted:
    return Wanted(
        capability=capability, specialty=specialty, industry=industry, region=region, min_score=min_score
    )  # fmt: skip


Filter = Annotated[Wanted, Depends(_wanted)]


@router.get("")
async def list_agents(  # noqa: PLR0917  # what a list is narrowed by
    ctx: Ctx, read: Read, wanted: Filter, available: bool = False, cursor: Cursor = None, limit: Limit = 20
) -> Page[AgentOut]:
    """List registered agents, the newest first; with `available` those that could be given work now."""
    chosen = replace(wanted, available=available)
    return await read(lambda session: service.page(session, ctx, chosen, cursor=cursor, limit=limit))


@router.get("/available")
async def list_available_agents(ctx: Ctx, read: Read, wanted: Filter) -> list[AgentOut]:
    """List agents heard within a minute that have room for work and are not suspended, at most 200."""
    chosen = replace(wanted, available=True)
    return await read(lambda session: service.available(session, ctx, chosen))


@router.get("/endpoints")
async def list_own_endpoints(ctx: Ctx, caller: CurrentSession, read: Read) -> list[OwnEndpointOut]:
    """List the caller's paid endpoints, closed ones included."""
    return await read(lambda session: endpoints.mine(session, ctx, caller.address))


@router.post("/endpoints")
async def put_endpoint(body: EndpointIn, ctx: Ctx, caller: CurrentSession, write: Write) -> OwnEndpointOut:
    """Offer a URL of the caller's for a price at the x402 gateway, or change or close one."""
    return await write(lambda session: endpoints.put(session, ctx, caller.address, body))


@router.get("/{agent_id}/endpoints")
async def list_endpoints(agent_id: AgentId, ctx: Ctx, read: Read) -> list[EndpointOut]:
    """List what an agent sells at the x402 gateway."""
    return await read(lambda session: endpoints.of_agent(session, ctx, agent_id))


@router.get("/{agent_id}/registration", response_model_exclude_none=True)
async def get_agent_registration(agent_id: AgentId, ctx: Ctx, read: Read) -> RegistrationFileOut:
    """Return an agent's ERC-8004 registration file, with what its wallet signed."""
    return await read(lambda session: registration_file.of_agent(session, ctx, agent_id))


@router.get("/{agent_id}/suspensions")
async def list_suspensions(agent_id: AgentId, read: Read) -> list[SuspensionOut]:
    """List when and why an agent was suspended, newest first."""

    def run(session: Session) -> list[SuspensionOut]:
        return suspensions.history(session, service.named(session, agent_id))

    return await read(run)


@router.post("/{agent_id}/suspend")
async def suspend_agent(agent_id: AgentId, body: ReasonIn, ctx: Ctx, caller: OperatorSession, write: Write) -> AgentOut:
    """Suspend an agent: it may not bid and is given nothing, until it is let return; for operators."""
    return await write(
        partial(service.suspend, ctx=ctx, name=agent_id, operator=caller.address, reason=body.reason)
    )  # fmt: skip


@router.post("/{agent_id}/return")
async def return_agent(agent_id: AgentId, body: ReasonIn, ctx: Ctx, caller: OperatorSession, write: Write) -> AgentOut:
    """Let a suspended agent return; for operators."""
    return await write(
        partial(service.let_return, ctx=ctx, name=agent_id, operator=caller.address, reason=body.reason)
    )  # fmt: skip


@router.get("/{agent_id}")
async def get_agent(agent_id: AgentId, ctx: Ctx, read: Read) -> AgentOut:
    """Return an agent by address or alias."""
    return await read(lambda session: service.find(session, ctx, agent_id))


@router.post("")
async def register_agent(body: AgentIn, ctx: Ctx, caller: CurrentSession, write: Write) -> AgentOut:
    """Register the caller as an agent by its wallet's signature, or update what it said before by a newer one."""
    return await write(lambda session: service.register(session, ctx, caller.address, body))


@router.post("/heartbeat")
async def send_heartbeat(ctx: Ctx, caller: BidSession, write: Write, said: HeartbeatIn | None = None) -> AgentOut:
    """Say that the agent is there, and whether it takes offers; without one for a minute it counts as away."""
    takes_offers = said is not None and said.takes_offers
    return await write(lambda session: service.heartbeat(session, ctx, caller.address, takes_offers=takes_offers))


@well_known.get("/agent-registration.json", response_model_exclude_none=True)
async def get_market_registration(ctx: Ctx) -> RegistrationFileOut:
    """Return the ERC-8004 registration file of this marketplace."""
    return registration_file.of_market(ctx)
