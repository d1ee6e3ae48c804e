"""Routes of pools and receipts."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_hash
from backend.api.deps import Ctx, CurrentSession, DeliverSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page
from backend.errors import InvalidInput
from backend.payments import due, moves, pools, receipts, watch
from backend.payments.schemas import (
    AcknowledgedOut,
    AcknowledgeIn,
    ClaimWishOut,
    PoolDepositIn,
    PoolMoveIn,
    PoolMoveOut,
    PoolOut,
    PoolWarningIn,
    PoolWithdrawIn,
    ReceiptOut,
)
from backend.settlement import wishes
from backend.wallet.chain import gas_price_wei
from backend.wallet.schemas import IntentOut

router = APIRouter(tags=["payments"])


def _hash(text: str) -> bytes:
    try:
        return parse_hash(text)
    except ValueError as error:
        raise InvalidInput("An id is 32 bytes as 0x-hex.") from error


@router.get("/pools")
async def list_pools(read: Read, ctx: Ctx, caller: CurrentSession) -> list[PoolOut]:
    """The caller's pools, the most recently changed first."""
    return await read(lambda s: pools.of_payer(s, ctx, caller.address))


@router.get("/pools/{pool_id}")
async def read_pool(pool_id: str, read: Read, ctx: Ctx, caller: CurrentSession) -> PoolOut:
    """One pool of the caller."""
    return await read(lambda s: pools.read(s, ctx, _hash(pool_id), caller.address))


@router.post("/pools/deposit")
async def deposit(body: PoolDepositIn, write: Write, ctx: Ctx, caller: CurrentSession) -> IntentOut:
    """Relay a signed deposit into the caller's pool."""
    return await write(lambda s: pools.deposit(s, ctx, caller.address, body))


@router.post("/pools/{pool_id}/withdrawal")
async def withdraw_pool(
    pool_id: str, body: PoolWithdrawIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> IntentOut:
    """Relay a signed request to withdraw from a pool, or to cancel one."""
    return await write(lambda s: pools.withdraw(s, ctx, _hash(pool_id), caller.address, body))


@router.post("/pools/{pool_id}/warning")
async def set_pool_warning(
    pool_id: str, body: PoolWarningIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> PoolOut:
    """Have the caller told when less is free in a pool of his, once each time it falls below."""
    return await write(lambda s: watch.set_threshold(s, ctx, _hash(pool_id), caller.address, body.below_units))


@router.post("/pools/{pool_id}/move")
async def move_pool(pool_id: str, body: PoolMoveIn, write: Write, ctx: Ctx, caller: CurrentSession) -> PoolMoveOut:
    """Withdraw from a pool and deposit what comes back into another one: how a pool follows to another operator."""
    return await write(lambda s: moves.move(s, ctx, _hash(pool_id), caller.address, body))


@router.get("/pools/{pool_id}/move")
async def read_pool_move(pool_id: str, read: Read, ctx: Ctx, caller: CurrentSession) -> PoolMoveOut:
    """The newest move of a pool of the caller."""
    return await read(lambda s: moves.read(s, ctx, _hash(pool_id), caller.address))


@router.get("/receipts")
async def list_receipts(  # noqa: PLR0917
    read: Read,
    write: Write,
    ctx: Ctx,
    caller: CurrentSession,
    channel_id: Annotated[str | None, Query()] = None,
    deal_id: uuid.UUID | None = None,
    unacknowledged: bool = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReceiptOut]:
    """Receipts of the caller's channels, as agent or as buyer, oldest first."""
    chosen = receipts.Filter(
        channel_id=None if channel_id is None else _hash(channel_id),
        deal_id=deal_id,
        unacknowledged=unacknowledged,
    )
    if cursor is None:  # whatever was paid without an order since the last time is signed for now
        await write(lambda s: due.issue_for(s, ctx, caller.address))
    return await read(lambda s: receipts.page(s, ctx, caller.address, chosen, cursor=cursor, limit=limit))


@router.post("/channels/{channel_id}/claim")
async def ask_for_claim(channel_id: str, write: Write, ctx: Ctx, caller: DeliverSession) -> ClaimWishOut:
    """The agent asks for a channel to be claimed now rather than when it is old enough."""
    price = await gas_price_wei(ctx)
    return await write(lambda s: wishes.ask(s, ctx, _hash(channel_id), caller.address, gas_price_wei=price))


@router.post("/receipts/acknowledge")
async def acknowledge_many(body: AcknowledgeIn, write: Write, ctx: Ctx, caller: DeliverSession) -> AcknowledgedOut:
    """The agent says that it has stored several receipts."""

    def run(session: Session) -> AcknowledgedOut:
        return AcknowledgedOut(acknowledged=receipts.acknowledge_many(session, ctx, body.receipt_ids, caller.address))

    return await write(run)


@router.post("/receipts/{receipt_id}/acknowledge")
async def acknowledge(receipt_id: uuid.UUID, write: Write, ctx: Ctx, caller: DeliverSession) -> ReceiptOut:
    """The agent says that it has stored a receipt."""
    return await write(lambda s: receipts.acknowledge(s, ctx, receipt_id, caller.address))
