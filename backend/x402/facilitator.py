"""The facilitator: tells servers whether a payment is good, and carries to the chain what they ask for.

A settlement is reported as done only when its transaction is mined; until then the answer is `settlement_pending` with
the transaction's hash, and the same request again finds the same transaction.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, assert_never

from sqlalchemy.orm import Session

from aicp.abi.typed_data import ChannelConfig
from aicp.rules.primitives import checksum, hex0x
from backend.agents import repo as agents
from backend.api.state import AppState
from backend.context import Context
from backend.db.engine import Database
from backend.errors import LimitExceeded
from backend.payments import charges
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.wallet import budget
from backend.x402 import chain, elsewhere, offers, payment_ids, relays, siwx, verify, wire
from backend.x402.chain import OnChain
from backend.x402.elsewhere import Move
from backend.x402.reasons import Reason, Refused
from backend.x402.schemas import (
    VERSION,
    Claim,
    ClaimPayload,
    DepositPayload,
    FacilitatorIn,
    RefundPayload,
    Requirements,
    SettleOut,
    SettlePayload,
    SupportedKind,
    SupportedOut,
    VerifyOut,
    VoucherPayload,
)


def supported(ctx: Context) -> SupportedOut:
    """Return schemes, extensions and the operators whose channels draw from pools.

    No `receiverAuthorizer` is offered to other servers: the operator's key signs for its own receipts alone.
    """
    network = offers.network_of(ctx)
    return SupportedOut(
        kinds=[
            SupportedKind(scheme=wire.CHANNEL_SCHEME, network=network),
            SupportedKind(scheme=wire.EXACT_SCHEME, network=network),
        ],
        extensions=[payment_ids.NAME, siwx.NAME],
        signers={"eip155:*": [checksum(ctx.operator.address)]},
    )


async def check(ctx: Context, db: Database, given: FacilitatorIn) -> VerifyOut:
    """Return whether a payment is good now. Raises Unavailable when no node answers."""
    try:
        return await _check(ctx, db, given)
    except Refused as refused:
        return VerifyOut(
            is_valid=False, invalid_reason=refused.reason.value, invalid_message=refused.detail, payer=refused.payer
        )


async def _check(ctx: Context, db: Database, given: FacilitatorIn) -> VerifyOut:
    if given.payment_payload.x402_version != VERSION:
        raise Refused(Reason.VERSION)
    wanted = given.payment_requirements
    verify.check_requirements(ctx, given.payment_payload.accepted, wanted)
    if wanted.scheme == wire.EXACT_SCHEME:
        return await _check_exact(ctx, given, wanted)
    payload = wire.read_channel_payload(given.payment_payload.payload)
    if isinstance(payload, ClaimPayload | SettlePayload):
        raise Refused(Reason.TYPE, "Claims and settlements are only settled.")
    return await _check_channel(ctx, db, payload, wanted)


async def _check_exact(ctx: Context, given: FacilitatorIn, wanted: Requirements) -> VerifyOut:
    payment = wire.read_exact_payload(given.payment_payload.payload)
    verify.check_exact(ctx, payment, wanted)
    payer = payment.authorization.from_
    known = await chain.authorization(ctx, payer, payment.authorization.nonce)
    if known.used:
        raise Refused(Reason.TRANSACTION_STATE, "The authorization is used or cancelled.", payer=payer)
    if known.usdc_units < payment.authorization.value:
        raise Refused(Reason.FUNDS, payer=payer)
    if not await chain.would_pass(ctx, ctx.deployment.usdc, relays.exact_call(payment)):
        raise Refused(Reason.TRANSACTION_STATE, "The token would refuse the transfer.", payer=payer)
    return VerifyOut(is_valid=True, payer=payer)


async def _check_channel(
    ctx: Context, db: Database, payload: VoucherPayload | DepositPayload | RefundPayload, wanted: Requirements
) -> VerifyOut:
    config = verify.check_channel(ctx, payload.channel_config, payload.voucher, wanted)
    ceiling, payer = payload.voucher.max_claimable_amount, config.payer
    now = await chain.channel(ctx, payload.voucher.channel_id)
    balance = await _chargeable(ctx, db, config, now)
    if isinstance(payload, DepositPayload):
        amount = payload.deposit.amount
        given = verify.check_deposit(ctx, config, payload.voucher.channel_id, payload.deposit)
        if ceiling > balance + amount:
            raise Refused(Reason.EXCEEDS_BALANCE, payer=payer)
        data = relays.deposit_call(ctx, config, amount, given)
        if not await chain.would_pass(ctx, ctx.deployment.payment_channel, data):
            raise Refused(Reason.DEPOSIT, "The contract would refuse the deposit.", payer=payer)
    elif balance == 0:
        raise Refused(Reason.CHANNEL_UNKNOWN, payer=payer)
    elif ceiling > balance:
        raise Refused(Reason.EXCEEDS_BALANCE, payer=payer)
    lowest = now.total_claimed_units if payload.type == "refund" else now.total_claimed_units + 1
    if ceiling < lowest:
        raise Refused(Reason.BELOW_CLAIMED, payer=payer)
    return VerifyOut(is_valid=True, payer=payer, extra=_state(payload.voucher.channel_id, now, balance)["channelState"])


async def _chargeable(ctx: Context, db: Database, config: ChannelConfig, now: OnChain) -> int:
    """Return how high a ceiling may go: by the channel's own balance, or by the pool where its operator serves.

    The operator claims from pools for agents registered here alone; nobody else ever gets anything out of one.
    """
    if not ctx.takes(config.receiver_authorizer):
        return now.balance_units

    def spendable(session: Session) -> int:
        if session.execute(agents.by_address(config.receiver)).scalar_one_or_none() is None:
            return 0
        return charges.state(session, ctx, config).spendable_units

    return max(now.balance_units, await db.read(spendable))


def _state(channel_id: bytes, now: OnChain, balance: int) -> dict[str, Any]:
    return {
        "channelState": {
            "channelId": hex0x(channel_id),
            "balance": str(balance),
            "totalClaimed": str(now.total_claimed_units),
            "withdrawRequestedAt": now.withdraw_requested_at,
            "refundNonce": str(now.refund_nonce),
        }
    }


async def settle(state: AppState, given: FacilitatorIn) -> SettleOut:
    """Carry a payment to the chain and say honestly where it stands. Raises Unavailable when no node answers."""
    try:
        if given.payment_payload.x402_version != VERSION:
            return _failed(state.ctx, Reason.VERSION, "")
        if given.payment_requirements.scheme == wire.EXACT_SCHEME:
            return await _settle_exact(state, given)
        if given.payment_requirements.scheme == wire.CHANNEL_SCHEME:
            return await _settle_channel(state, given)
    except Refused as refused:
        return _failed(state.ctx, refused.reason, refused.detail, payer=refused.payer)
    except LimitExceeded as problem:
        return _failed(state.ctx, Reason.UNEXPECTED, problem.detail)
    return _failed(state.ctx, Reason.SCHEME, "")


async def _settle_channel(state: AppState, given: FacilitatorIn) -> SettleOut:
    payload, wanted = wire.read_channel_payload(given.payment_payload.payload), given.payment_requirements
    match payload:
        case ClaimPayload():
            return await _settle_claim(state, payload)
        case SettlePayload():
            return await _settle_receiver(state, payload)
        case RefundPayload():
            return await _settle_refund(state, payload)
        case DepositPayload():
            verify.check_requirements(state.ctx, given.payment_payload.accepted, wanted)
            return await _settle_deposit(state, payload, wanted)
        case VoucherPayload():
            raise Refused(Reason.TYPE, "A voucher is kept by its server; claim it when it is worth its gas.")
        case _:
            assert_never(payload)


def _failed(ctx: Context, reason: Reason, detail: str, *, payer: bytes | None = None, sent: str = "") -> SettleOut:
    return SettleOut(
        success=False, error_reason=reason.value, error_message=detail or None, payer=payer, transaction=sent,
        network=offers.network_of(ctx),
    )  # fmt: skip


async def _outcome(  # what an answer says
    state: AppState, intent: Intent, *, lost: Reason, payer: bytes | None, amount: str,
    move: Move | None = None, channel_id: bytes | None = None,
) -> SettleOut:  # fmt: skip
    """Wait for an intent and tell what has become of it; what it was to `move`, somebody else may have moved."""
    ctx, began, extra = state.ctx, time.monotonic(), None
    outcome = await relays.wait(state.db, intent.id, ctx.settings.gateway_wait_seconds)
    if outcome.lost and move is not None:
        left = ctx.settings.gateway_wait_seconds - (time.monotonic() - began)
        lost_one = await state.db.read(lambda session: txm.get(session, intent.id))
        found = await elsewhere.wait(ctx, move, elsewhere.failure_of(lost_one), left)
        outcome = relays.in_place_of(outcome, found)
    if outcome.lost:
        return _failed(ctx, lost, outcome.detail, payer=payer, sent=outcome.transaction)
    if not outcome.mined:
        return _failed(ctx, Reason.PENDING, "Ask again.", payer=payer, sent=outcome.transaction)
    if channel_id is not None:
        now = await chain.channel(ctx, channel_id)
        extra = _state(channel_id, now, now.balance_units)
    return SettleOut(
        success=True, payer=payer, transaction=outcome.transaction, network=offers.network_of(ctx), amount=amount,
        extra=extra,
    )  # fmt: skip


async def _settle_exact(state: AppState, given: FacilitatorIn) -> SettleOut:
    ctx, wanted = state.ctx, given.payment_requirements
    verify.check_requirements(ctx, given.payment_payload.accepted, wanted)
    payment = wire.read_exact_payload(given.payment_payload.payload)
    verify.check_exact(ctx, payment, wanted)
    payer, data = payment.authorization.from_, relays.exact_call(payment)
    move = relays.exact_move(payment)
    intent = await _asked_for(state, "x402_exact", data, move)
    if intent is None:
        if not await chain.would_pass(ctx, ctx.deployment.usdc, data):
            raise Refused(Reason.TRANSACTION_STATE, "The token would refuse the transfer.", payer=payer)
        intent = await state.db.write(partial(relays.exact, ctx=ctx, payment=payment, purse=budget.STRANGERS))
    return await _outcome(
        state, intent, lost=Reason.TRANSACTION_STATE, payer=payer, amount=str(wanted.amount), move=move
    )


async def _settle_deposit(state: AppState, payload: DepositPayload, wanted: Requirements) -> SettleOut:
    ctx, channel_id = state.ctx, payload.voucher.channel_id
    config = verify.check_channel(ctx, payload.channel_config, payload.voucher, wanted)
    amount = payload.deposit.amount
    given = verify.check_deposit(ctx, config, channel_id, payload.deposit)
    data = relays.deposit_call(ctx, config, amount, given)
    move = relays.deposit_move(ctx, config, amount, given)
    intent = await _asked_for(state, "x402_deposit", data, move)
    if intent is None:
        if not await chain.would_pass(ctx, ctx.deployment.payment_channel, data):
            raise Refused(Reason.DEPOSIT, "The contract would refuse the deposit.", payer=config.payer)
        ask = partial(relays.deposit, ctx=ctx, config=config, amount=amount, given=given, purse=budget.STRANGERS)
        intent = await state.db.write(ask)
    return await _outcome(
        state, intent, lost=Reason.DEPOSIT_FAILED, payer=config.payer, amount=str(amount), move=move,
        channel_id=channel_id,
    )  # fmt: skip


async def _settle_claim(state: AppState, payload: ClaimPayload) -> SettleOut:
    ctx = state.ctx
    _require_token(ctx, {row.voucher.channel.token for row in payload.claims})
    data = relays.claim_call(ctx, payload.claims, payload.claim_authorizer_signature)
    if not await _is_known(state, "x402_claim", data):
        if not await _claims_something(ctx, payload.claims):
            raise Refused(Reason.CLAIM_FAILED, "All of this is claimed already.")
        if not await chain.would_pass(ctx, ctx.deployment.payment_channel, data):
            raise Refused(Reason.CLAIM_FAILED, "The contract would refuse the claim.")
    intent = await state.db.write(partial(relays.claim, ctx=ctx, claims=payload.claims, data=data))
    return await _outcome(state, intent, lost=Reason.CLAIM_FAILED, payer=None, amount="")


async def _asked_for(state: AppState, kind: str, data: bytes, move: Move) -> Intent | None:
    """Return the intent a transfer was asked for by before; None where it is lost for good, so that it may be again.

    One that nobody has asked us for is not told as done, whoever has carried it out: it may have paid somewhere else.
    """
    before = await state.db.read(partial(relays.last, kind=kind, data=data))
    if before is None or before.state not in relays.LOST:
        return before
    found = await elsewhere.look(state.ctx, move, elsewhere.failure_of(before))
    return None if found.lost else before


async def _is_known(state: AppState, kind: str, data: bytes) -> bool:
    """Return whether a call was asked for before; what became of it is told, whatever the chain would say now."""
    return await state.db.read(partial(relays.known, kind=kind, data=data)) is not None


async def _claims_something(ctx: Context, rows: list[Claim]) -> bool:
    """Return whether a claim would move anything: the contract passes over rows that would not."""
    ids = [relays.channel_of(ctx, row) for row in rows]
    return any(row.total_claimed > total for row, total in zip(rows, await chain.claimed(ctx, ids), strict=True))


async def _refunds_something(ctx: Context, payload: RefundPayload) -> bool:
    """Return whether a refund would move anything: the contract takes one of nothing as well."""
    channel_id = payload.voucher.channel_id
    now = await chain.channel(ctx, channel_id)
    first = [row.total_claimed for row in payload.claims or () if relays.channel_of(ctx, row) == channel_id]
    return bool(payload.amount) and now.balance_units > max([now.total_claimed_units, *first])


async def _settle_receiver(state: AppState, payload: SettlePayload) -> SettleOut:
    ctx = state.ctx
    _require_token(ctx, {payload.token})
    claimed, settled = await chain.receiver(ctx, payload.receiver, payload.token)
    if claimed <= settled:
        raise Refused(Reason.NOTHING_TO_SETTLE)
    ask = partial(relays.settle, ctx=ctx, receiver=payload.receiver, token=payload.token, claimed_units=claimed)
    intent = await state.db.write(ask)
    return await _outcome(state, intent, lost=Reason.SETTLE_FAILED, payer=None, amount=str(claimed - settled))


async def _settle_refund(state: AppState, payload: RefundPayload) -> SettleOut:
    ctx, config = state.ctx, wire.config_of(payload.channel_config)
    _require_token(ctx, {config.token})
    data = relays.refund_call(ctx, payload)
    if not await _is_known(state, "x402_refund", data):
        if not await _refunds_something(ctx, payload):
            raise Refused(Reason.REFUND_EMPTY, "The channel holds nothing that could go back.", payer=config.payer)
        if not await chain.would_pass(ctx, ctx.deployment.payment_channel, data):
            raise Refused(Reason.REFUND_FAILED, "The contract would refuse the refund.", payer=config.payer)
    channel_id = payload.voucher.channel_id
    ask = partial(relays.refund_for, ctx=ctx, payload=payload, data=data)
    intent = await state.db.write(ask)
    return await _outcome(
        state, intent, lost=Reason.REFUND_FAILED, payer=config.payer, amount=str(payload.amount), channel_id=channel_id
    )


def _require_token(ctx: Context, tokens: set[bytes]) -> None:
    if tokens != {ctx.deployment.usdc}:
        raise Refused(Reason.TOKEN, "Only this network's USDC is settled.")
