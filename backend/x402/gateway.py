"""The gateway's front: finds the endpoint, reads what the caller brought, and answers in x402's words.

No request is taken for granted: without payment it gets the offer; a payment that is not taken gets the offer with the
reason, and where the caller's channel is only out of step also what puts it back in step.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Final

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from aicp.rules.primitives import parse_address
from backend.api.state import AppState, client_ip
from backend.context import Context
from backend.db.times import moment
from backend.domain.signatures import NotByKey
from backend.errors import NotFound, Problem, VoucherAbovePool
from backend.payments import charges
from backend.payments.charges import CeilingMismatch, ChannelBusy, ChannelState
from backend.payments.errors import PoolClosing, RetiredOperator, SessionKeyCap
from backend.x402 import by_channel, by_transfer, offers, payment_ids, refunding, repo, sale, siwx, verify, wire
from backend.x402.reasons import Reason, Refused
from backend.x402.sale import Sale
from backend.x402.schemas import ClaimPayload, PaymentPayload, SettlePayload

_REASONS: Final[dict[type[Problem], Reason]] = {
    # also what a channel emptied by a refund gets: its client reads the chain again and deposits, instead of giving up
    VoucherAbovePool: Reason.CUMULATIVE_MISMATCH,
    CeilingMismatch: Reason.CUMULATIVE_MISMATCH,
    ChannelBusy: Reason.BUSY,
    PoolClosing: Reason.CLOSING,
    SessionKeyCap: Reason.KEY_CAP,
    RetiredOperator: Reason.RETIRED,
    NotByKey: Reason.VOUCHER_SIGNATURE,
}


def _find(session: Session, ctx: Context, agent: str, slug: str) -> offers.Offer:
    try:
        address = parse_address(agent)
    except ValueError:
        address = None
    row = session.execute(repo.endpoint_at(agent, address, slug)).tuples().one_or_none()
    if row is None:
        raise NotFound("There is no such paid endpoint.")
    return offers.offer_of(ctx, *row)


async def serve(state: AppState, request: Request, agent: str, slug: str) -> Response:
    """Answer a request at a paid endpoint. Raises Problem for what is no x402 matter."""
    header = request.headers.get(wire.PAYMENT_SIGNATURE)
    if header is None:
        state.gate.require_named(agent)
        await state.limits.request(address=None, ip=client_ip(request), write=False)
    offer = await state.db.read(partial(_find, ctx=state.ctx, agent=agent, slug=slug))
    this = Sale(
        state=state, offer=offer, method=request.method, query=request.url.query, body=await request.body(),
        headers={name.lower(): value for name, value in request.headers.items()},
    )  # fmt: skip
    if header is None:
        offer.require_served()
        state.gate.require(offer.agent.address, agent)
        return await _without_payment(this)
    taken = False
    try:
        answer = await _with_payment(this, wire.read_payment(header))
        taken = answer.status_code != sale.PAYMENT_STATUS
        return answer
    finally:
        if not taken:
            # a payment that is not taken costs its sender the same allowance as no payment
            await state.limits.request(address=None, ip=client_ip(request), write=False)


async def _without_payment(this: Sale) -> Response:
    """Answer with the offer, or for free to who has paid before and signs in."""
    proof_header = this.headers.get(siwx.HEADER.lower())
    if proof_header is None or not this.offer.endpoint.free_again_seconds:
        return sale.unpaid(this)
    proof = siwx.read(proof_header)
    wrong = siwx.problem(this.ctx, proof, this.offer.url)
    if wrong is None and not await this.state.db.write(partial(_let_in, this=this, proof=proof)):
        wrong = "This address has not paid here lately."
    if wrong is not None:
        return sale.unpaid(this, detail=wrong)
    answer = await sale.ask_agent(this, proof.address, secrets.token_hex(16))
    sale.is_good(answer)
    return sale.passed_on(answer)


def _let_in(session: Session, this: Sale, proof: siwx.SignInPayload) -> bool:
    """Return whether an address may come again; its signature is used up."""
    now = this.ctx.now()
    endpoint = this.offer.endpoint
    since = moment(now - endpoint.free_again_seconds)
    if session.execute(repo.paid_since(endpoint.id, proof.address, since)).first() is None:
        return False
    return session.execute(repo.use_sign_in(proof.nonce, moment(now))).first() is not None


async def _with_payment(this: Sale, payment: PaymentPayload) -> Response:
    try:
        return await _sell(this, payment)
    except Refused as refused:
        return sale.unpaid(this, refused.reason, refused.detail)
    except tuple(_REASONS) as problem:
        reason = _REASONS[type(problem)]
        known = await _state(this, payment) if reason is Reason.CUMULATIVE_MISMATCH else None
        return sale.unpaid(this, reason, problem.detail, state=known)


async def _sell(this: Sale, payment: PaymentPayload) -> Response:
    exact = payment.accepted.scheme == wire.EXACT_SCHEME
    wanted = (offers.by_transfer if exact else offers.by_channel)(this.ctx, this.offer)
    verify.check_requirements(this.ctx, payment.accepted, wanted)
    if exact:
        return await by_transfer.buy(_named(this, payment), wire.read_exact_payload(payment.payload))
    payload = wire.read_channel_payload(payment.payload)
    if isinstance(payload, ClaimPayload | SettlePayload):
        raise Refused(Reason.TYPE, "Claims and settlements go to the facilitator.")
    if payload.type == "refund":
        return await refunding.refund(this, payload)
    return await by_channel.buy(_named(this, payment), payload)


def _named(this: Sale, payment: PaymentPayload) -> Sale:
    required = this.offer.endpoint.payment_id_required
    return Sale(
        state=this.state, offer=this.offer, method=this.method, query=this.query, body=this.body, headers=this.headers,
        payment_id=payment_ids.read(payment, required=required),
    )  # fmt: skip


async def _state(this: Sale, payment: PaymentPayload) -> ChannelState:
    """Return where the channel of a payment stands; only who has signed a voucher of it gets that far."""
    payload = wire.read_channel_payload(payment.payload)
    if isinstance(payload, ClaimPayload | SettlePayload):
        raise TypeError("such a payload has no channel to be corrected")
    config = wire.config_of(payload.channel_config)
    return await this.state.db.read(partial(charges.state, ctx=this.ctx, config=config))
