"""Routes for operators: the addresses the settings name as such."""

from __future__ import annotations

import uuid
from functools import partial

from fastapi import APIRouter

from backend.alarms.schemas import OperatorAlarmOut
from backend.api.deps import Ctx, OperatorSession, Read, Write
from backend.api.types import AddressText
from backend.ops import quarantine, service
from backend.ops.nonces import counts
from backend.ops.schemas import KeyOut, KeysReportOut, LiftIn

router = APIRouter(prefix="/ops", tags=["ops"])


@router.get("/keys")
async def keys(read: Read, ctx: Ctx, _: OperatorSession) -> KeysReportOut:
    """The relayer keys with balance, transactions in flight and quarantine; the nodes; the newest alarms."""
    return await read(lambda session: service.keys(session, ctx))


@router.post("/keys/{address}/lift")
async def lift_quarantine(
    address: AddressText, body: LiftIn, ctx: Ctx, caller: OperatorSession, write: Write
) -> KeyOut:
    """Take a quarantined key back into use, if nothing of it is in doubt on the chain; its alarm ends with it."""
    found = await counts(ctx, address)
    return await write(
        partial(quarantine.lift, ctx=ctx, operator=caller.address, key=address, reason=body.reason, counts=found)
    )


@router.post("/alarms/{alarm_id}/clear")
async def clear_alarm(alarm_id: uuid.UUID, caller: OperatorSession, write: Write) -> OperatorAlarmOut:
    """End an alarm the operator has looked at; what is still so raises it again. A quarantined key stays so."""
    return await write(partial(quarantine.clear_alarm, operator=caller.address, alarm_id=alarm_id))
