"""x402 over HTTP: the facilitator's routes, the list of resources, and the gateway itself."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from backend.api.deps import Ctx, Read, State
from backend.api.state import client_ip
from backend.x402 import discovery, facilitator, gateway
from backend.x402.schemas import DiscoveryOut, FacilitatorIn, SettleOut, SupportedOut, VerifyOut


async def _counted(request: Request, state: State) -> None:
    """Count an anonymous request as a read: what it may set going is bounded by the gas a payer has a day."""
    await state.limits.request(address=None, ip=client_ip(request), write=False)


router = APIRouter(prefix="/x402", tags=["x402"], dependencies=[Depends(_counted)])
"""Facilitator and discovery: under the API's prefix and at the root."""

resources = APIRouter(prefix="/x402/agents", include_in_schema=False)
"""The paid endpoints, at the root."""


@router.get("/supported", response_model_exclude_none=True)
async def get_x402_supported(ctx: Ctx) -> SupportedOut:
    """Return which payments the facilitator verifies and settles."""
    return facilitator.supported(ctx)


@router.post("/verify", response_model_exclude_none=True)
async def verify_x402_payment(body: FacilitatorIn, state: State) -> VerifyOut:
    """Say whether a payment is good for these requirements now."""
    return await facilitator.check(state.ctx, state.db, body)


@router.post("/settle", response_model_exclude_none=True)
async def settle_x402_payment(body: FacilitatorIn, state: State) -> SettleOut:
    """Carry a deposit, transfer, claim, settlement or refund to the chain, and say where it stands."""
    return await facilitator.settle(state, body)


@router.get("/discovery/resources", response_model_exclude_none=True)
async def list_x402_resources(
    ctx: Ctx,
    read: Read,
    type_: Annotated[str, Query(alias="type", max_length=20)] = "http",
    limit: Annotated[int, Query(ge=1, le=discovery.MOST)] = discovery.USUAL,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> DiscoveryOut:
    """List what agents sell through the gateway, the most recently changed first. Only `http` resources exist here."""
    wanted = limit if type_ == "http" else 0
    return await read(partial(discovery.page, ctx=ctx, limit=wanted, offset=offset))


@resources.api_route("/{agent}/{slug}", methods=["GET", "POST"], name="buy_x402_resource")
async def buy_x402_resource(agent: str, slug: str, request: Request, state: State) -> Response:
    """Serve one request of a paid endpoint: 402 with the offer, or the agent's answer once it is paid."""
    return await gateway.serve(state, request, agent, slug)
