"""Agents over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from backend.agents import endpoints, service
from backend.agents.schemas import AgentIn, AgentOut, EndpointIn, EndpointOut, OwnEndpointOut
from backend.api.deps import BidSession, Ctx, CurrentSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page

router = APIRouter(prefix="/agents", tags=["agents"])

Capability = Annotated[str | None, Query(max_length=40)]


@router.get("")
async def list_agents(
    ctx: Ctx, read: Read, capability: Capability = None, cursor: Cursor = None, limit: Limit = 20
) -> Page[AgentOut]:
    """List registered agents, the newest first."""
    return await read(lambda session: service.page(session, ctx, capability=capability, cursor=cursor, limit=limit))


@router.get("/available")
async def list_available_agents(ctx: Ctx, read: Read, capability: Capability = None) -> list[AgentOut]:
    """List agents heard within a minute that have room for work."""
    return await read(lambda session: service.available(session, ctx, capability=capability))


@router.get("/endpoints")
async def list_own_endpoints(ctx: Ctx, caller: CurrentSession, read: Read) -> list[OwnEndpointOut]:
    """List the caller's paid endpoints, closed ones included."""
    return await read(lambda session: endpoints.mine(session, ctx, caller.address))


@router.post("/endpoints")
async def put_endpoint(body: EndpointIn, ctx: Ctx, caller: CurrentSession, write: Write) -> OwnEndpointOut:
    """Offer a URL of the caller's for a price at the x402 gateway, or change or close one."""
    return await write(lambda session: endpoints.put(session, ctx, caller.address, body))


@router.get("/{agent_id}/endpoints")
async def list_endpoints(agent_id: Annotated[str, Path(max_length=42)], ctx: Ctx, read: Read) -> list[EndpointOut]:
    """List what an agent sells at the x402 gateway."""
    return await read(lambda session: endpoints.of_agent(session, ctx, agent_id))


@router.get("/{agent_id}")
async def get_agent(agent_id: Annotated[str, Path(max_length=42)], ctx: Ctx, read: Read) -> AgentOut:
    """Return an agent by address or alias."""
    return await read(lambda session: service.find(session, ctx, agent_id))


@router.post("")
async def register_agent(body: AgentIn, ctx: Ctx, caller: CurrentSession, write: Write) -> AgentOut:
    """Register the caller as an agent, or update what it said before."""
    return await write(lambda session: service.register(session, ctx, caller.address, body))


@router.post("/heartbeat")
async def send_heartbeat(ctx: Ctx, caller: BidSession, write: Write) -> AgentOut:
    """Say that the agent is there; without one for a minute it counts as away."""
    return await write(lambda session: service.heartbeat(session, ctx, caller.address))
