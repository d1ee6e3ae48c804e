"""Dashboards over HTTP. Everybody sees his own; another's does not exist."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aicp.rules.primitives import parse_address
from backend.api.deps import AnySession, Ctx, Read
from backend.dashboard import service
from backend.dashboard.schemas import AgentDashboardOut, BuyerDashboardOut
from backend.errors import NotFound

router = APIRouter(tags=["dashboards"])


@router.get("/buyer/{account}/dashboard")
async def get_buyer_dashboard(
    account: Annotated[str, Path(max_length=42)], ctx: Ctx, read: Read, caller: AnySession
) -> BuyerDashboardOut:
    """Return the caller's money in pools and escrows, what was spent, its tasks, and what waits for it."""
    if not _is_address(account, caller.address):
        raise NotFound("There is no such account of yours.")
    return await read(lambda session: service.of_buyer(session, ctx, caller.address))


def _is_address(text: str, address: bytes) -> bool:
    try:
        return parse_address(text) == address
    except ValueError:
        return False


@router.get("/agent/{name}/dashboard")
async def get_agent_dashboard(
    name: Annotated[str, Path(max_length=42, description="Address or alias.")], ctx: Ctx, read: Read, caller: AnySession
) -> AgentDashboardOut:
    """Return what the calling agent earns, is owed and has in work, how it stands, and what waits for it."""
    return await read(lambda session: service.of_agent(session, ctx, name, caller.address))
