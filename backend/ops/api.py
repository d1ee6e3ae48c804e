"""Routes for operators: the addresses the settings name as such."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from aicp.rules.primitives import parse_address
from backend.api.deps import Ctx, CurrentSession, Read
from backend.auth.service import Caller
from backend.errors import Forbidden
from backend.ops import service
from backend.ops.schemas import KeysReportOut

router = APIRouter(prefix="/ops", tags=["ops"])


def _operator(caller: CurrentSession, ctx: Ctx) -> Caller:
    if caller.address not in {parse_address(text) for text in ctx.settings.operators}:
        raise Forbidden("Only operators see this.")
    return caller


OperatorSession = Annotated[Caller, Depends(_operator)]
"""The signed-in caller, who is an operator of this service."""


@router.get("/keys")
async def keys(read: Read, ctx: Ctx, _: OperatorSession) -> KeysReportOut:
    """The relayer keys with balance, transactions in flight and quarantine; the nodes; the newest alarms."""
    return await read(lambda session: service.keys(session, ctx))
