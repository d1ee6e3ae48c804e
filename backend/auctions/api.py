"""Bids and awards over HTTP."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_hash
from backend.api.deps import BidSession, Ctx, CurrentSession, Read, Write
from backend.auctions import service, view
from backend.auctions.schemas import AwardIn, AwardOut, BidIn, BidOut, BidWithdrawalIn
from backend.tasks import service as tasks

router = APIRouter(prefix="/tasks/{task_id}", tags=["auctions"])

BidHash = Annotated[str, Path(pattern="^0x[0-9a-fA-F]{64}$")]


@router.get("/bids")
async def list_bids(task_id: uuid.UUID, ctx: Ctx, read: Read) -> list[BidOut]:
    """Return the order book: bids that count first, cheapest first."""

    def run(session: Session) -> list[BidOut]:
        return view.book(session, ctx, tasks.get(session, task_id).id)

    return await read(run)


@router.post("/bids")
async def place_bid(task_id: uuid.UUID, body: BidIn, ctx: Ctx, caller: BidSession, write: Write) -> BidOut:
    """Place a signed bid; the answer carries the operator's signed receipt."""
    return await write(lambda session: service.place(session, ctx, caller.address, task_id, body))


@router.post("/bids/{bid_hash}/withdraw")
async def withdraw_bid(  # noqa: PLR0917  # path, body and what the route needs
    task_id: uuid.UUID, bid_hash: BidHash, body: BidWithdrawalIn, ctx: Ctx, caller: BidSession, write: Write
) -> BidOut:
    """Withdraw a bid that has not won."""
    wanted = parse_hash(bid_hash)
    return await write(
        lambda session: service.withdraw(
            session, ctx, caller.address, task_id, bid_hash=wanted, signature=body.signature
        )
    )


@router.post("/award")
async def award_task(task_id: uuid.UUID, body: AwardIn, ctx: Ctx, caller: CurrentSession, write: Write) -> AwardOut:
    """Award the task to a bid; the deal that follows is in the answer."""

    def run(session: Session) -> AwardOut:
        task, award, deal = service.award(session, ctx, caller.address, task_id, body.bid_hash)
        return view.award_out(task, award, deal.id)

    return await write(run)


@router.get("/award")
async def get_award(task_id: uuid.UUID, read: Read) -> AwardOut:
    """Return the last award: which bid won, among exactly which bids."""
    return await read(lambda session: view.newest_award(session, tasks.get(session, task_id)))
