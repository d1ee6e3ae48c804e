"""The scheduler over HTTP."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from backend.api.deps import BidSession, Ctx, Read, Write
from backend.scheduler import offers, view
from backend.scheduler.schemas import OfferOut, SchedulerStatusOut
from backend.tasks import service as tasks

router = APIRouter(prefix="/scheduler", tags=["network"])
offers_router = APIRouter(prefix="/tasks/{task_id}", tags=["auctions"])


@router.get("/status")
async def get_scheduler_status(ctx: Ctx, read: Read) -> SchedulerStatusOut:
    """Return what waits, agents by capability with load and health, and the last awards with their reasons."""
    return await read(lambda session: view.status(session, ctx))


@router.get("/offers")
async def list_own_offers(ctx: Ctx, caller: BidSession, read: Read) -> list[OfferOut]:
    """List the offers that wait for the caller's answer, the most urgent first."""
    return await read(lambda session: offers.waiting_for(session, ctx, caller.address))


@offers_router.get("/offers")
async def list_offers(task_id: uuid.UUID, read: Read) -> list[OfferOut]:
    """Return whom the scheduler has offered the task, why, and what they answered; oldest first."""
    return await read(lambda session: offers.log(session, tasks.get(session, task_id).id))


@offers_router.post("/offer/decline")
async def decline_offer(task_id: uuid.UUID, ctx: Ctx, caller: BidSession, write: Write) -> OfferOut:
    """Decline the task that the scheduler offers; the next agent is asked at once. A bid takes it."""
    return await write(lambda session: offers.decline(session, ctx, caller.address, task_id))
