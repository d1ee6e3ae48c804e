"""Prices over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from backend.api.deps import Ctx, Read
from backend.pricing import service
from backend.pricing.schemas import EstimateIn, EstimateOut

router = APIRouter(prefix="/pricing", tags=["pricing"])


@router.post("/estimate")
async def estimate_price(body: EstimateIn, ctx: Ctx, read: Read) -> EstimateOut:
    """Say what a task would cost, factor by factor; for a named agent with a quote the operator signs."""
    return await read(lambda session: service.estimate(session, ctx, body))
