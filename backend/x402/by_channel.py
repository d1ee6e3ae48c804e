"""Payment by voucher: reserved before the agent is called, earned with its answer, in commits of their own.

The price comes out of the buyer's pool, or of the channel's own balance; a deposit that comes with the voucher is
relayed first and waited for, as long as the pool does not cover the price.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from functools import partial
from typing import Final

from sqlalchemy.orm import Session
from starlette.responses import Response

from aicp.abi.typed_data import ChannelConfig
from backend.breakers.errors import AgentResting
from backend.context import Context
from backend.db.times import moment
from backend.errors import Unavailable, VoucherAbovePool
from backend.payments import charge_repo, charges
from backend.payments.errors import PoolClosing
from backend.txm import service as txm
from backend.x402 import chain, elsewhere, offers, purchases, relays, sale, verify
from backend.x402.elsewhere import Failure
from backend.x402.purchases import Fresh, Stored
from backend.x402.reasons import Reason, Refused, UpstreamFailed
from backend.x402.sale import Sale
from backend.x402.schemas import DepositPayload, Erc3009, VoucherPayload

POLL_SECONDS: Final = 0.1
MAX_AGE_SECONDS: Final = 3_600
"""How long ago somebody else may have carried a deposit out that we still wait for."""


async def buy(this: Sale, payload: VoucherPayload | DepositPayload) -> Response:
    """Serve a request paid by voucher. Raises what the reserve raises, Refused, UpstreamFailed."""
    ctx, db = this.ctx, this.state.db
    wanted = offers.by_channel(ctx, this.offer, payload.channel_config.receiver_authorizer)
    config = verify.check_channel(ctx, payload.channel_config, payload.voucher, wanted)
    authorization = None
    if isinstance(payload, DepositPayload):
        given = verify.check_deposit(ctx, config, payload.voucher.channel_id, payload.deposit)
        authorization = given if await _would_pass(this, config, payload, given) else None
    begun, asked, deposited = await _begin(this, config, payload, authorization)
    if isinstance(begun, Stored):
        return sale.paid(begun)
    try:
        answer = await sale.ask_agent(this, config.payer, str(begun.payment))
        good = sale.is_good(answer)
    except Exception:
        await db.write(partial(purchases.fail, payment=begun.payment))
        raise
    if not good:
        await db.write(partial(purchases.fail, payment=begun.payment))
        return sale.passed_on(answer)
    stored = await db.write(
        partial(
            purchases.answer_by_channel, ctx=ctx, payment=begun.payment, asked=asked, answer=answer, deposited=deposited
        )
    )
    if stored is None:
        raise UpstreamFailed("The agent took too long; nothing was charged.")
    return sale.paid(stored)


async def _begin(
    this: Sale, config: ChannelConfig, payload: VoucherPayload | DepositPayload, authorization: Erc3009 | None
) -> tuple[Fresh | Stored, charges.Asked, str]:
    """Reserve the price, waiting for another request of the channel, for this one's first try, or for the deposit.

    Return with it the transaction of the deposit, where somebody else has carried that out.
    """
    ctx, db = this.ctx, this.state.db
    deadline = time.monotonic() + ctx.settings.gateway_wait_seconds
    deposit: uuid.UUID | None = None
    deposited = ""
    while True:
        asked = _asked(ctx, this, config, payload)
        try:
            if deposit is None and authorization is not None and isinstance(payload, DepositPayload):
                amount = payload.deposit.amount
                deposit = await db.write(
                    partial(_deposit, this=this, asked=asked, amount=amount, authorization=authorization)
                )
            begin = partial(purchases.begin_by_channel, ctx=ctx, bought=this.bought, asked=asked, deposit=deposit)
            begun = await db.write(begin)
        except charges.ChannelBusy:
            if time.monotonic() >= deadline:
                raise
        except (VoucherAbovePool, PoolClosing):
            if not isinstance(payload, DepositPayload):
                raise
            deposited = await _require_under_way(this, config, payload, deposit, late=time.monotonic() >= deadline)
        else:
            if isinstance(begun, Fresh | Stored):
                return begun, asked, deposited
            if time.monotonic() >= deadline:
                raise charges.ChannelBusy
        await asyncio.sleep(POLL_SECONDS)


async def _would_pass(this: Sale, config: ChannelConfig, payload: DepositPayload, authorization: Erc3009) -> bool:
    """Return whether a deposit is worth asking for: it was asked for before, or the contract would take it now.

    What it would refuse must not use up what all buyers together may have relayed. Without a node it waits for one.
    """
    ctx = this.ctx
    data = relays.deposit_call(ctx, config, payload.deposit.amount, authorization)
    if await this.state.db.read(partial(relays.known, kind="x402_deposit", data=data)) is not None:
        return True
    try:
        return await chain.would_pass(ctx, ctx.deployment.payment_channel, data)
    except Unavailable:
        return True


def _asked(ctx: Context, this: Sale, config: ChannelConfig, payload: VoucherPayload | DepositPayload) -> charges.Asked:
    seconds = ctx.settings.gateway_timeout_seconds + purchases.GRACE_SECONDS
    return charges.Asked(
        config=config, ceiling_units=payload.voucher.max_claimable_amount, signature=payload.voucher.signature,
        price_units=this.offer.endpoint.price_units, ends_at=moment(ctx.now()) + dt.timedelta(seconds=seconds),
    )  # fmt: skip


def _deposit(
    session: Session, *, this: Sale, asked: charges.Asked, amount: int, authorization: Erc3009
) -> uuid.UUID | None:
    """Ask for the deposit if the voucher beside it could be taken then; None where that voucher has paid before.

    A client that has lost its place, or whose agent rests or is suspended, so learns it before its money moves. Raises
    AgentUnavailable, AgentResting, CeilingMismatch, ChannelBusy, Refused, LimitExceeded.
    """
    ctx, config = this.ctx, asked.config
    channel_key, _ = charges.ids_of(ctx, config)
    known = session.execute(charge_repo.of_ceiling(channel_key, asked.ceiling_units)).scalar_one_or_none()
    if known is not None and known.state == "earned":
        return None
    this.offer.require_served()
    wait_ms = this.state.gate.wait_ms(this.offer.agent.address)
    if wait_ms:
        raise AgentResting(wait_ms)
    state = charges.state(session, ctx, config)
    if state.in_flight_units:
        raise charges.ChannelBusy
    if asked.ceiling_units != state.earned_units + asked.price_units:
        raise charges.CeilingMismatch
    if state.own_units + amount < asked.ceiling_units > state.spendable_units:
        raise Refused(Reason.EXCEEDS_BALANCE, "The deposit does not cover the voucher.", payer=config.payer)
    return relays.deposit(session, ctx, config, amount, authorization).id


async def _require_under_way(
    this: Sale, config: ChannelConfig, payload: DepositPayload, deposit: uuid.UUID | None, *, late: bool
) -> str:
    """Raise Refused when a deposit is lost, or not final after so long; the same payment again goes on with it.

    `deposit` is None where the contract would not take it now. Return the transaction of somebody else's that has
    carried it out, "" where it is ours.
    """
    ctx, payer = this.ctx, config.payer
    intent = None if deposit is None else await this.state.db.read(lambda session: txm.get(session, deposit))
    if intent is not None and intent.state not in relays.LOST:
        if late:
            raise Refused(Reason.PENDING, relays.outcome_of(intent).transaction, payer=payer)
        return ""
    given = payload.deposit.authorization.erc3009_authorization
    assert given is not None, "a deposit was checked to have its authorization"
    failure = Failure(since=ctx.now() - MAX_AGE_SECONDS) if intent is None else elsewhere.failure_of(intent)
    found = await elsewhere.look(ctx, relays.deposit_move(ctx, config, payload.deposit.amount, given), failure)
    if found.lost or (intent is None and not found.transaction):
        detail = "The contract would refuse the deposit." if intent is None else relays.outcome_of(intent).detail
        raise Refused(Reason.DEPOSIT_FAILED, detail, payer=payer)
    if late:
        raise Refused(Reason.PENDING, found.transaction, payer=payer)
    await asyncio.sleep(elsewhere.AGAIN_SECONDS)
    return found.transaction
