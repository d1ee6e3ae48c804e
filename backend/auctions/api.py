"""Bids and awards over HTTP."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_hash
from backend.api.deps import BidSession, Ctx, CurrentSession, Read, Write
from backend.auctions import orders, sealed, service, view
from backend.auctions.schemas import (
    AwardIn,
    AwardOut,
    AwardRecordOut,
    BidIn,
    BidOut,
    BidWithdrawalIn,
    CommitIn,
    CommitOut,
    TaskOrderIn,
    TaskOrderOut,
)
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


@router.get("/commits")
async def list_commits(task_id: uuid.UUID, ctx: Ctx, read: Read) -> list[CommitOut]:
    """Return the sealed bids in the order they came; what was shown of them is among the bids."""
    return await read(lambda session: view.commits(session, ctx, tasks.get(session, task_id).id))


@router.post("/commits")
async def place_commit(task_id: uuid.UUID, body: CommitIn, ctx: Ctx, caller: BidSession, write: Write) -> CommitOut:
    """Commit to a sealed bid; the answer carries the operator's signed receipt."""
    return await write(lambda session: sealed.commit(session, ctx, caller.address, task_id, body))


@router.post("/commits/{bid_hash}/reveal")
async def reveal_bid(  # noqa: PLR0917  # path, body and what the route needs
    task_id: uuid.UUID, bid_hash: BidHash, body: BidIn, ctx: Ctx, caller: BidSession, write: Write
) -> BidOut:
    """Show a sealed bid after the auction's end."""
    wanted = parse_hash(bid_hash)
    return await write(
        lambda session: sealed.reveal(session, ctx, caller.address, task_id, bid_hash=wanted, posted=body)
    )


@router.post("/commits/{bid_hash}/withdraw")
async def withdraw_commit(  # noqa: PLR0917  # path, body and what the route needs
    task_id: uuid.UUID, bid_hash: BidHash, body: BidWithdrawalIn, ctx: Ctx, caller: BidSession, write: Write
) -> CommitOut:
    """Withdraw a sealed bid, shown or not, that has not won."""
    wanted = parse_hash(bid_hash)
    return await write(
        lambda session: service.withdraw_commit(
            session, ctx, caller.address, task_id, bid_hash=wanted, signature=body.signature
        )
    )


@router.post("/order")
async def give_order(
    task_id: uuid.UUID, body: TaskOrderIn, ctx: Ctx, caller: CurrentSession, write: Write
) -> TaskOrderOut:
    """Sign for the buy-now price: a bid at or below it wins at once."""
    return await write(lambda session: orders.give(session, ctx, caller.address, task_id, body))


@router.get("/order")
async def get_order(task_id: uuid.UUID, read: Read) -> TaskOrderOut:
    """Return the buyer's signed order."""
    return await read(lambda session: orders.read(session, tasks.get(session, task_id).id))


@router.post("/award")
async def award_task(task_id: uuid.UUID, body: AwardIn, ctx: Ctx, caller: CurrentSession, write: Write) -> AwardOut:
    """Award the task to a bid, or by its rule; the deal that follows is in the answer."""

    def run(session: Session) -> AwardOut:
        task, award, deal = service.award(session, ctx, caller.address, task_id, body.bid_hash)
        return view.award_out(task, award, deal.id)

    return await write(run)


@router.get("/award")
async def get_award(task_id: uuid.UUID, read: Read) -> AwardOut:
    """Return the last award: which bid won, among exactly which bids."""
    return await read(lambda session: view.newest_award(session, tasks.get(session, task_id)))


@router.get("/award/record")
async def get_award_record(task_id: uuid.UUID, read: Read) -> AwardRecordOut:
    """Return what the published rule looked at for the last award, signed by the operator."""
    return await read(lambda session: view.award_record(session, tasks.get(session, task_id)))


@router.get("/awards")
async def list_awards(task_id: uuid.UUID, read: Read) -> list[AwardOut]:
    """Return every award of the task, oldest first; all but the last ended unpaid."""
    return await read(lambda session: view.awards(session, tasks.get(session, task_id)))
