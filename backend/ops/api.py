"""Routes for operators: the addresses the settings name as such."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.deps import Ctx, OperatorSession, Read
from backend.ops import service
from backend.ops.schemas import KeysReportOut

router = APIRouter(prefix="/ops", tags=["ops"])


@router.get("/keys")
async def keys(read: Read, ctx: Ctx, _: OperatorSession) -> KeysReportOut:
    """The relayer keys with balance, transactions in flight and quarantine; the nodes; the newest alarms."""
    return await read(lambda session: service.keys(session, ctx))
