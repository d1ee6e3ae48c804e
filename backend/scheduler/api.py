"""The scheduler over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.deps import Ctx, Read
from backend.scheduler import view
from backend.scheduler.schemas import SchedulerStatusOut

router = APIRouter(prefix="/scheduler", tags=["network"])


@router.get("/status")
async def get_scheduler_status(ctx: Ctx, read: Read) -> SchedulerStatusOut:
    """Return what waits, agents by capability with load and health, and the last awards with their reasons."""
    return await read(lambda session: view.status(session, ctx))
