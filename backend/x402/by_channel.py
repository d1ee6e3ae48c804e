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
from backend.x402 import chain, offers, purchases, relays, sale, verify
from backend.x402.purchases import Fresh, Stored
from backend.x402.reasons import Reason, Refused, UpstreamFailed
from backend.x402.sale import Sale
from backend.x402.schemas import DepositPayload, Erc3009, VoucherPayload

POLL_SECONDS: Final = 0.1


async def buy(this: Sale, payload: VoucherPayload | DepositPayload) -> Response:
    """Serve a request paid by voucher. Raises what the reserve raises, Refused, UpstreamFailed."""
    ctx, db = this.ctx, this.state.db
    wanted = offers.by_channel(ctx, this.offer, payload.channel_config.receiver_authorizer)
    config = verify.check_channel(ctx, payload.channel_config, payload.voucher, wanted)
    authorization = None
    if isinstance(payload, DepositPayload):
        given = verify.check_deposit(ctx, config, payload.voucher.channel_id, payload.deposit)
        authorization = given if await _would_pass(this, config, payload, given) else None
    begun, asked = await _begin(this, config, payload, authorization)
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
        partial(purchases.answer_by_channel, ctx=ctx, payment=begun.payment, asked=asked, answer=answer)
    )
    if stored is None:
        raise UpstreamFailed("The agent took too long; nothing was charged.")
    return sale.paid(stored)


async def _begin(
    this: Sale, config: ChannelConfig, payload: VoucherPayload | DepositPayload, authorization: Erc3009 | None
) -> tuple[Fresh | Stored, charges.Asked]:
    """Reserve the price, waiting for another request of the channel, for this one's first try, or for the deposit."""
    ctx, db = this.ctx, this.state.db
    deadline = time.monotonic() + ctx.settings.gateway_wait_seconds
    deposit: uuid.UUID | None = None
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
        except (VoucherAbovePool, PoolClosing) as problem:
            if deposit is None:
                raise _short(payload, config.payer, problem) from problem
            await _require_under_way(this, deposit, config.payer, late=time.monotonic() >= deadline)
        else:
            if isinstance(begun, Fresh | Stored):
                return begun, asked
            if time.monotonic() >= deadline:
                raise charges.ChannelBusy
        await asyncio.sleep(POLL_SECONDS)


def _short(payload: VoucherPayload | DepositPayload, payer: bytes, problem: Exception) -> Exception:
    """Return what to tell a buyer whose money does not cover the price, and for whom no deposit is under way."""
    if isinstance(payload, DepositPayload):
        return Refused(Reason.DEPOSIT_FAILED, "The contract would refuse the deposit.", payer=payer)
    return problem


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


async def _require_under_way(this: Sale, deposit: uuid.UUID, payer: bytes, *, late: bool) -> None:
    """Raise Refused when a deposit is lost, or not final after so long; the same payment again goes on with it."""
    outcome = await this.state.db.read(lambda session: relays.outcome_of(txm.get(session, deposit)))
    if outcome.lost:
        raise Refused(Reason.DEPOSIT_FAILED, outcome.detail, payer=payer)
    if late:
        raise Refused(Reason.PENDING, outcome.transaction, payer=payer)
