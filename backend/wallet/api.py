"""Routes of balances, relayed withdrawals and stakes, and the relayed transactions of an account."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from aicp.rules.primitives import parse_address
from backend.api.deps import Ctx, CurrentSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page
from backend.errors import InvalidInput
from backend.wallet import chain, faucet, service
from backend.wallet.schemas import BalancesOut, FaucetIn, IntentOut, StakeIn, WithdrawalIn

router = APIRouter(tags=["wallet"])


@router.get("/accounts/{address}/balances")
async def balances(address: str, read: Read, ctx: Ctx) -> BalancesOut:
    """What an address owns in its wallet, in the ledgers, as stake and in channels."""
    try:
        account = parse_address(address)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    wallet = await chain.wallet_state(ctx, account)
    return await read(lambda s: service.balances(s, ctx, account, wallet))


@router.post("/withdrawals")
async def withdraw(body: WithdrawalIn, write: Write, ctx: Ctx, caller: CurrentSession) -> IntentOut:
    """Relay a signed withdrawal from a ledger: the money goes where the signature says."""
    return await write(lambda s: service.withdraw(s, ctx, caller.address, body))


@router.post("/stakes")
async def stake(body: StakeIn, write: Write, ctx: Ctx, caller: CurrentSession) -> IntentOut:
    """Relay a signed stake."""
    return await write(lambda s: service.stake(s, ctx, caller.address, body))


@router.post("/wallet/faucet")
async def give(body: FaucetIn, write: Write, ctx: Ctx, caller: CurrentSession) -> IntentOut:
    """Relay the local token's faucet for the caller, once a minute; 404 wherever the USDC is real."""
    return await write(lambda s: faucet.give(s, ctx, caller.address, body))


@router.get("/transactions")
async def transactions(read: Read, caller: CurrentSession, cursor: Cursor = None, limit: Limit = 50) -> Page[IntentOut]:
    """The relayed transactions of the caller, newest first."""
    return await read(lambda s: service.page(s, caller.address, cursor=cursor, limit=limit))


@router.get("/transactions/{intent_id}")
async def transaction(intent_id: uuid.UUID, read: Read, caller: CurrentSession) -> IntentOut:
    """One relayed transaction of the caller."""
    return await read(lambda s: service.read(s, intent_id, caller.address))


@router.post("/transactions/{intent_id}/cancel")
async def cancel_transaction(intent_id: uuid.UUID, write: Write, ctx: Ctx, caller: CurrentSession) -> IntentOut:
    """Cancel a relayed transaction of the caller: at once while it waits, else by a nonce spent on nothing.

    Whichever is mined first decides, so a sent one may still go through. 409 once it is mined, or if others rely on it.
    """
    return await write(lambda s: service.cancel(s, ctx, intent_id, caller.address))
