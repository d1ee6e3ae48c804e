"""The network over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from backend.alarms.schemas import OperatorAlarmOut
from backend.api.deps import Ctx, OperatorSession, Read
from backend.network import service
from backend.network.schemas import NetworkOut, StatusOut, TotalsOut

router = APIRouter(prefix="/network", tags=["network"])


@router.get("")
async def get_network(ctx: Ctx) -> NetworkOut:
    """Return everything needed to sign for this deployment."""
    return service.network(ctx)


@router.get("/status")
async def get_network_status(ctx: Ctx, read: Read) -> StatusOut:
    """Return how far the mirror is and whether payments are taken."""
    return await read(lambda session: service.status(session, ctx))


@router.get("/alarms")
async def get_network_alarms(read: Read, caller: OperatorSession) -> list[OperatorAlarmOut]:  # noqa: ARG001  # who asks
    """Return open and past alarms with their details, those raised last first; for operators."""
    return await read(service.operator_alarms)


@router.get("/totals")
async def get_network_totals(ctx: Ctx, read: Read) -> TotalsOut:
    """Return the figures of the landing page."""
    return await read(lambda session: service.totals(session, ctx))
