"""A buyer asks the gateway for unclaimed money back: the operator signs what the channel has earned and the rest."""

from __future__ import annotations

import uuid
from functools import partial

from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from aicp.abi import payment_channel as abi
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.payments import refunds
from backend.x402 import chain, offers, relays, sale, verify, wire
from backend.x402.reasons import Reason, Refused
from backend.x402.sale import Sale
from backend.x402.schemas import RefundPayload, SettleOut

_REASONS = {
    refunds.NothingToRefund: Reason.REFUND_EMPTY,
    refunds.RefundTooLarge: Reason.REFUND_EMPTY,
}


async def refund(this: Sale, payload: RefundPayload) -> Response:
    """Sign, relay and await a refund. Raises Refused, CeilingMismatch, ChannelBusy, RetiredOperator, LimitExceeded."""
    ctx, db = this.ctx, this.state.db
    wanted = offers.by_channel(ctx, this.offer, payload.channel_config.receiver_authorizer)
    config = verify.check_channel(ctx, payload.channel_config, payload.voucher, wanted)
    if payload.amount == 0:
        raise Refused(Reason.REFUND_AMOUNT, payer=config.payer)
    on_chain = await chain.channel(ctx, payload.voucher.channel_id)
    asked = refunds.Asked(
        config=config, ceiling_units=payload.voucher.max_claimable_amount, units=payload.amount,
        nonce=on_chain.refund_nonce, claimed_units=on_chain.total_claimed_units,
    )  # fmt: skip
    try:
        intent, units = await db.write(partial(_sign, ctx=ctx, asked=asked))
    except (refunds.NothingToRefund, refunds.RefundTooLarge) as problem:
        raise Refused(_REASONS[type(problem)], problem.detail, payer=config.payer) from problem
    outcome = await relays.wait(db, intent, ctx.settings.gateway_wait_seconds)
    if not outcome.mined:
        reason = Reason.REFUND_FAILED if outcome.lost else Reason.PENDING
        failed = SettleOut(
            success=False, error_reason=reason.value, payer=config.payer, transaction=outcome.transaction,
            network=offers.network_of(ctx),
        )  # fmt: skip
        return sale.unpaid(this, reason, outcome.detail, failed=failed)
    now = await chain.channel(ctx, payload.voucher.channel_id)
    state = {
        "channelId": hex0x(payload.voucher.channel_id),
        "balance": str(now.balance_units),
        "totalClaimed": str(now.total_claimed_units),
        "withdrawRequestedAt": now.withdraw_requested_at,
        "refundNonce": str(now.refund_nonce),
        "chargedCumulativeAmount": str(payload.voucher.max_claimable_amount),
    }
    done = SettleOut(
        success=True, payer=config.payer, transaction=outcome.transaction, network=offers.network_of(ctx),
        amount=str(units), extra={"channelState": state},
    )  # fmt: skip
    return JSONResponse(
        {"message": "refunded", "amount_units": str(units), "transaction": outcome.transaction},
        headers={wire.PAYMENT_RESPONSE: wire.encode(done.wire()), "Cache-Control": "no-store"},
    )


def _sign(session: Session, ctx: Context, asked: refunds.Asked) -> tuple[uuid.UUID, int]:
    """Sign a refund and ask for its transaction, in one commit; the one that is under way already is it."""
    known = refunds.under_way(session, ctx, asked)
    if known is not None:
        return known
    signed = refunds.sign(session, ctx, asked)
    data = abi.encode_refund_with_signature(asked.config, signed.units, asked.nonce, signed.signature)
    if signed.claim is not None:
        data = abi.encode_multicall([abi.encode_claim_with_signature([signed.claim], signed.claim_signature), data])
    intent = relays.refund(session, ctx, asked.config, signed.channel_id, data)
    refunds.note(session, ctx, asked, signed, intent.id)
    return intent.id, signed.units
