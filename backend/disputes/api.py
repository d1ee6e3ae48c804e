"""Routes of disputes before the arbiter, for whoever judges them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from backend.api.deps import Ctx, CurrentSession, Read
from backend.disputes import service
from backend.disputes.schemas import CaseOut

router = APIRouter(prefix="/disputes", tags=["disputes"])

NUMBER = Annotated[str, Path(pattern="^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$")]


@router.get("/{dispute_id}")
async def read_case(dispute_id: NUMBER, read: Read, ctx: Ctx, caller: CurrentSession) -> CaseOut:
    """A dispute by the arbiter's number, decimal or 0x-hex, for its parties and the jurors drawn into it.

    Jurors read it, and the files it names, until the ruling is handed over. To others it does not exist.
    """
    number = int(dispute_id, 16 if dispute_id.startswith("0x") else 10)
    return await read(lambda s: service.read_case(s, ctx, number, caller.address))
