"""Payment by one signed transfer (`exact`): the agent answers, then the transfer is mined, then the caller is told.

So an agent that fails costs nothing, and a transfer that fails opens nothing; one that somebody else has sent before us
pays like our own. The answer is stored with the wish for the transfer in one commit, so whoever repeats the payment,
after however long, gets it once the transfer is mined.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from functools import partial
from typing import Final

from starlette.responses import Response

from backend.db.times import moment
from backend.x402 import chain, elsewhere, offers, purchases, relays, sale, verify
from backend.x402.purchases import Decided, Doubtful, Fresh, Pending, Stored
from backend.x402.reasons import Reason, Refused, UpstreamFailed
from backend.x402.sale import Sale
from backend.x402.schemas import ExactPayload, SettleOut
from backend.x402.upstream import UpstreamAnswer

POLL_SECONDS: Final = 0.1
MINING_SECONDS: Final = 30
"""What is kept of an authorization's life for the transaction itself."""


async def buy(this: Sale, payment: ExactPayload) -> Response:
    """Serve a request paid by a signed transfer. Raises Refused, PaymentIdUsed, UpstreamFailed, LimitExceeded."""
    ctx, db = this.ctx, this.state.db
    verify.check_exact(ctx, payment, offers.by_transfer(ctx, this.offer))
    deadline = time.monotonic() + ctx.settings.gateway_wait_seconds
    while True:
        ends_at = moment(ctx.now()) + dt.timedelta(
            seconds=ctx.settings.gateway_timeout_seconds + purchases.GRACE_SECONDS
        )
        begin = partial(purchases.begin_by_transfer, ctx=ctx, bought=this.bought, payment=payment, ends_at=ends_at)
        begun = await db.write(begin)
        if isinstance(begun, Stored):
            return sale.paid(begun)
        if isinstance(begun, Fresh):
            refusal = await _serve(this, payment, begun.payment)
            if refusal is not None:
                return refusal
            return await _conclude(this, payment, begun.payment, deadline)
        if begun.intent_id is not None:
            return await _conclude(this, payment, begun.payment, deadline)
        if time.monotonic() >= deadline:
            raise Refused(Reason.PENDING, "This request is being answered.", payer=payment.authorization.from_)
        await asyncio.sleep(POLL_SECONDS)


async def _serve(this: Sale, payment: ExactPayload, made: uuid.UUID) -> Response | None:
    """Call the agent, and keep its answer with the wish for the transfer; return what it refuses, which is free."""
    ctx, db = this.ctx, this.state.db
    try:
        answer = await _answer(this, payment, made)
        good = sale.is_good(answer)
    except Exception:
        await db.write(partial(purchases.fail, payment=made))
        raise
    if not good:
        await db.write(partial(purchases.fail, payment=made))
        return sale.passed_on(answer)
    keep = partial(purchases.serve_by_transfer, ctx=ctx, payment=made, paid=payment, answer=answer)
    if await db.write(keep) is None:
        raise UpstreamFailed("The agent took too long; nothing was charged.")
    return None


async def _answer(this: Sale, payment: ExactPayload, made: uuid.UUID) -> UpstreamAnswer:
    """Return the agent's answer, asked for only if the transfer has a chance."""
    given, ctx = payment.authorization, this.ctx
    left = given.valid_before - ctx.now() - MINING_SECONDS
    if left <= 0:
        raise Refused(Reason.VALID_BEFORE, "Too little of the authorization's time is left.", payer=given.from_)
    known = await chain.authorization(ctx, given.from_, given.nonce)
    if known.used:
        raise Refused(Reason.TRANSACTION_STATE, "The authorization is used or cancelled.", payer=given.from_)
    promised = await this.state.db.read(partial(purchases.promised_by_transfer, payer=given.from_))
    if known.usdc_units < promised:
        raise Refused(Reason.FUNDS, payer=given.from_)
    return await sale.ask_agent(this, given.from_, str(made), min(left, ctx.settings.gateway_timeout_seconds))


async def _conclude(this: Sale, payment: ExactPayload, made: uuid.UUID, deadline: float) -> Response:
    """Wait for the transfer and answer: with what the agent said, or with what became of the transfer."""
    ctx, db, payer, transaction = this.ctx, this.state.db, payment.authorization.from_, ""
    while True:
        begun = await db.write(partial(purchases.conclude_transfer, ctx=ctx, payment=made))
        if isinstance(begun, Doubtful):
            found = await elsewhere.wait(ctx, begun.move, begun.failure, deadline - time.monotonic())
            transaction = found.transaction
            if await db.write(partial(purchases.decide, ctx=ctx, decided=Decided(made, found))):
                continue
        if isinstance(begun, Stored):
            return sale.paid(begun)
        if begun is None:
            failed = _failed(this, payer, Reason.UNEXPECTED, "")
            return sale.unpaid(this, Reason.UNEXPECTED, "The transfer failed; nothing was charged.", failed=failed)
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_SECONDS)
    if isinstance(begun, Pending) and begun.intent_id is not None:
        transaction = (await relays.wait(db, begun.intent_id, 0)).transaction
    failed = _failed(this, payer, Reason.PENDING, transaction)
    return sale.unpaid(
        this, Reason.PENDING, "The transfer is under way; ask again with the same payment.", failed=failed
    )


def _failed(this: Sale, payer: bytes, reason: Reason, transaction: str) -> SettleOut:
    return SettleOut(
        success=False, error_reason=reason.value, payer=payer, transaction=transaction,
        network=offers.network_of(this.ctx),
    )  # fmt: skip
