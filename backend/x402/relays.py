"""What goes to the chain for a payment: intents of the transaction manager, each asked for once.

The operator's key signs nothing here: claims and refunds of outside servers carry their own authorizer's signature,
which is checked before it is relayed. Gas counts against whoever has signed, never against an address somebody else has
only named, and against what all strangers have together.

Goal: a payment is carried out once, however often it is sent to us. Invariants: of one call one intent at most is under
way or mined, because the key of a repeat counts the tries that were lost; the gas for it is reserved in the commit that
makes the intent. That a call which was lost may be asked for again is safe, because the chain takes no authorization,
refund nonce or cumulative total twice.

A crash before the caller's commit leaves no intent, and the payment sent again begins anew. After it the transaction
manager goes on; whoever waited for it asks again and finds the same intent, mined, lost or under way.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import time
import uuid
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from aicp.abi import usdc
from aicp.abi.runtime import encode_dynamic
from aicp.abi.typed_data import ChannelConfig, ChannelRefund, ClaimBatch, ClaimEntry
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x
from backend.context import Context
from backend.db.engine import Database
from backend.db.times import moment
from backend.domain.gas import counted_gas
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.states import IntentState
from backend.wallet import budget
from backend.x402 import wire
from backend.x402.elsewhere import Found, Move
from backend.x402.reasons import Reason, Refused
from backend.x402.schemas import Claim, Erc3009, ExactPayload, RefundPayload
from backend.x402.verify import deposit_nonce, signed_by

LONGEST: Final = dt.timedelta(hours=1)
POLL_SECONDS: Final = 0.1
ROW_GAS: Final = 40_000
"""What one more row of a claim may take."""
DONE: Final = frozenset({IntentState.MINED.value, IntentState.FINAL.value})
LOST: Final = frozenset({IntentState.FAILED.value, IntentState.EXPIRED.value, IntentState.CANCELLED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a relayed call stands. `mined` and `lost` exclude each other; neither means it is under way."""

    intent_id: uuid.UUID
    mined: bool
    lost: bool
    transaction: str
    detail: str = ""


def outcome_of(intent: Intent) -> Outcome:
    """Return where an intent stands. One that has failed in its block is under way until that block is final.

    A transfer that is lost may still have been carried out by somebody else; see `elsewhere`.
    """
    return Outcome(
        intent_id=intent.id,
        mined=intent.state in DONE and intent.error_code is None,
        lost=intent.state in LOST,
        transaction="" if intent.tx_hash is None else hex0x(intent.tx_hash),
        detail=intent.error_code or "",
    )


def in_place_of(lost: Outcome, found: Found) -> Outcome:
    """Return where a payment stands whose transaction of ours is lost, by what others have carried out."""
    transaction = lost.transaction if found.lost else found.transaction
    return replace(lost, mined=found.mined, lost=found.lost, transaction=transaction)


def _until(ctx: Context, valid_before: int) -> dt.datetime:
    """Return when a call is given up: with its authorization, and after an hour at the latest."""
    longest = moment(ctx.now()) + LONGEST
    return longest if valid_before > longest.timestamp() else moment(valid_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Whose gas a call takes: `signer`, where somebody has signed for it, and a share of what `purse` has."""

    signer: bytes | None
    purse: bytes
    rows: int = 1


def _ask(  # what an intent needs
    session: Session, ctx: Context, *, kind: str, key: str, who: bytes, to: bytes, data: bytes,
    expires_at: dt.datetime, reference: dict[str, str], cost: _Cost | None,
) -> Intent:  # fmt: skip
    """Ask for a call; where the last one under this key was lost, for another one.

    `cost` is None where its gas was reserved before.
    """
    before = txm.history(session, f"{key}:")
    if before and before[0].state not in LOST:
        return before[0]
    return txm.enqueue(
        session, ctx, idem_key=f"{key}:{len(before)}", kind=kind, on_behalf_of=who, to=to, data=data,
        expires_at=expires_at, reference=reference,
        when_new=None if cost is None else partial(_charge, session, ctx, kind, cost),
    )  # fmt: skip


def _charge(session: Session, ctx: Context, kind: str, cost: _Cost) -> None:
    if cost.signer is not None:
        budget.charge(session, ctx, cost.signer, kind)
    budget.charge_all(session, ctx, cost.purse, counted_gas(kind, None) + (cost.rows - 1) * ROW_GAS)


def last(session: Session, kind: str, data: bytes) -> Intent | None:
    """Return the intent a call was last asked for by, whatever has become of it; None where there is none."""
    before = txm.history(session, f"{kind}:{_digest(data)}:")
    return before[0] if before else None


def known(session: Session, kind: str, data: bytes) -> Intent | None:
    """Return the intent a call was asked for by before, None where there is none or it was lost."""
    before = last(session, kind, data)
    return None if before is None or before.state in LOST else before


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def deposit_call(ctx: Context, config: ChannelConfig, amount: int, given: Erc3009) -> bytes:
    """Return the call that deposits by a token authorization."""
    salt = int.from_bytes(given.salt, "big")
    collector_data = encode_dynamic(
        ("uint256", "uint256", "uint256", "bytes"), (given.valid_after, given.valid_before, salt, given.signature)
    )
    return abi.encode_deposit(config, amount, ctx.deployment.erc3009_collector, collector_data)


def deposit(  # noqa: PLR0917
    session: Session, ctx: Context, config: ChannelConfig, amount: int, given: Erc3009, purse: bytes = budget.SALES
) -> Intent:
    """Ask for a deposit into a channel; the same authorization again is the same deposit. Raises LimitExceeded."""
    data = deposit_call(ctx, config, amount, given)
    channel = channel_id(config, ctx.domains.channel)
    return _ask(
        session, ctx, kind="x402_deposit", key=f"x402_deposit:{_digest(data)}", who=config.payer,
        to=ctx.deployment.payment_channel, data=data, expires_at=_until(ctx, given.valid_before),
        reference={"channel_id": hex0x(channel), "amount_units": str(amount)},
        cost=_Cost(signer=config.payer, purse=purse),
    )  # fmt: skip


def exact_call(payment: ExactPayload) -> bytes:
    """Return the call that carries a signed transfer out."""
    given = payment.authorization
    return usdc.encode_transfer_with_authorization_signature(
        given.from_, given.to, given.value, given.valid_after, given.valid_before, given.nonce, payment.signature
    )


def deposit_move(ctx: Context, config: ChannelConfig, amount: int, given: Erc3009) -> Move:
    """Return what the authorization of a deposit moves."""
    nonce = deposit_nonce(channel_id(config, ctx.domains.channel), given.salt)
    return Move(payer=config.payer, to=ctx.deployment.erc3009_collector, units=amount, nonce=nonce)


def exact_move(payment: ExactPayload) -> Move:
    """Return what a signed transfer moves."""
    given = payment.authorization
    return Move(payer=given.from_, to=given.to, units=given.value, nonce=given.nonce)


def reserve_exact(session: Session, ctx: Context, payer: bytes) -> None:
    """Reserve the gas of a transfer that a sale will ask for. Raises LimitExceeded."""
    _charge(session, ctx, "x402_exact", _Cost(signer=payer, purse=budget.SALES))


def free_exact(session: Session, payer: bytes, reserved_at: dt.datetime) -> None:
    """Give the gas back that `reserve_exact` has reserved for a transfer which is not asked for after all."""
    for address in (payer, budget.SALES):
        budget.give_back(session, address, counted_gas("x402_exact", None), reserved_at)


def exact(session: Session, ctx: Context, payment: ExactPayload, purse: bytes | None) -> Intent:
    """Ask for a signed transfer; `purse` is None where `reserve_exact` has reserved its gas. Raises LimitExceeded."""
    given, data = payment.authorization, exact_call(payment)
    return _ask(
        session, ctx, kind="x402_exact", key=f"x402_exact:{_digest(data)}", who=given.from_, to=ctx.deployment.usdc,
        data=data, expires_at=_until(ctx, given.valid_before),
        reference={"to": checksum(given.to), "amount_units": str(given.value), "nonce": hex0x(given.nonce)},
        cost=None if purse is None else _Cost(signer=given.from_, purse=purse),
    )  # fmt: skip


def _rows(claims: list[Claim]) -> list[abi.VoucherClaim]:
    return [
        abi.VoucherClaim(
            abi.Voucher(wire.config_of(row.voucher.channel), row.voucher.max_claimable_amount), row.signature,
            row.total_claimed,
        )
        for row in claims
    ]  # fmt: skip


def channel_of(ctx: Context, row: Claim) -> bytes:
    """Return the channel a row claims from."""
    return channel_id(wire.config_of(row.voucher.channel), ctx.domains.channel)


def claim_call(ctx: Context, claims: list[Claim], signature: bytes | None) -> bytes:
    """Return the call that claims rows of one authorizer under its own signature. Raises Refused."""
    if signature is None:
        raise Refused(Reason.AUTHORIZER_MISSING, "A claim carries its own authorizer's signature; none is added here.")
    domain = ctx.domains.channel
    entries = tuple(
        ClaimEntry(
            channel_id=channel_of(ctx, row), max_claimable_amount=row.voucher.max_claimable_amount,
            total_claimed=row.total_claimed,
        )
        for row in claims
    )  # fmt: skip
    authorizers = {row.voucher.channel.receiver_authorizer for row in claims}
    message = ClaimBatch(claims=entries)
    if len(authorizers) != 1 or not signed_by(message, domain, signature, next(iter(authorizers))):
        raise Refused(Reason.AUTHORIZER, "The rows are not claimed by their own authorizer.")
    return abi.encode_claim_with_signature(_rows(claims), signature)


def claim(session: Session, ctx: Context, claims: list[Claim], data: bytes) -> Intent:
    """Ask for a claim made by `claim_call`. Raises LimitExceeded."""
    signer = claims[0].voucher.channel.receiver_authorizer
    return _ask(
        session, ctx, kind="x402_claim", key=f"x402_claim:{_digest(data)}", who=signer,
        to=ctx.deployment.payment_channel, data=data, expires_at=moment(ctx.now()) + LONGEST,
        reference={"rows": str(len(claims))}, cost=_Cost(signer=signer, purse=budget.STRANGERS, rows=len(claims)),
    )  # fmt: skip


def settle(session: Session, ctx: Context, receiver: bytes, token: bytes, claimed_units: int) -> Intent:
    """Ask for the payment of a receiver; once for what was claimed for it by now. Raises LimitExceeded."""
    return _ask(
        session, ctx, kind="x402_settle", key=f"x402_settle:{receiver.hex()}:{claimed_units}", who=budget.STRANGERS,
        to=ctx.deployment.payment_channel, data=abi.encode_settle(receiver, token),
        expires_at=moment(ctx.now()) + LONGEST, reference={"receiver": checksum(receiver)},
        cost=_Cost(signer=None, purse=budget.STRANGERS),
    )  # fmt: skip


def refund_call(ctx: Context, payload: RefundPayload) -> bytes:
    """Return the call that claims and refunds as an outside server signed it. Raises Refused."""
    config, nonce, signature = payload.channel_config, payload.refund_nonce, payload.refund_authorizer_signature
    if payload.amount is None or nonce is None:
        raise Refused(Reason.REFUND, "A refund names amount and nonce.", payer=config.payer)
    if signature is None:
        raise Refused(Reason.AUTHORIZER_MISSING, "A refund carries its own authorizer's signature.", payer=config.payer)
    message = ChannelRefund(channel_id=payload.voucher.channel_id, nonce=nonce, amount=payload.amount)
    if channel_id(wire.config_of(config), ctx.domains.channel) != payload.voucher.channel_id:
        raise Refused(Reason.CHANNEL_ID, payer=config.payer)
    if not signed_by(message, ctx.domains.channel, signature, config.receiver_authorizer):
        raise Refused(Reason.AUTHORIZER, payer=config.payer)
    refund = abi.encode_refund_with_signature(wire.config_of(config), payload.amount, nonce, signature)
    if not payload.claims:
        return refund
    return abi.encode_multicall([claim_call(ctx, payload.claims, payload.claim_authorizer_signature), refund])


def refund(session: Session, ctx: Context, config: ChannelConfig, channel: bytes, data: bytes) -> Intent:
    """Ask for a refund the payer has asked us for. Raises LimitExceeded."""
    return _refund(session, ctx, config.payer, channel, data, _Cost(signer=config.payer, purse=budget.SALES))


def refund_for(session: Session, ctx: Context, payload: RefundPayload, data: bytes) -> Intent:
    """Ask for a refund made by `refund_call`. Raises LimitExceeded."""
    signer = payload.channel_config.receiver_authorizer
    cost = _Cost(signer=signer, purse=budget.STRANGERS, rows=1 + len(payload.claims or ()))
    return _refund(session, ctx, signer, payload.voucher.channel_id, data, cost)


def _refund(  # noqa: PLR0917
    session: Session, ctx: Context, who: bytes, channel: bytes, data: bytes, cost: _Cost
) -> Intent:
    return _ask(
        session, ctx, kind="x402_refund", key=f"x402_refund:{_digest(data)}", who=who,
        to=ctx.deployment.payment_channel, data=data, expires_at=moment(ctx.now()) + LONGEST,
        reference={"channel_id": hex0x(channel)}, cost=cost,
    )  # fmt: skip


async def wait(db: Database, intent_id: uuid.UUID, seconds: float) -> Outcome:
    """Return where an intent stands once it is mined or lost, or after so long."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = await db.read(lambda session: outcome_of(txm.get(session, intent_id)))
        if outcome.mined or outcome.lost or time.monotonic() >= deadline:
            return outcome
        await asyncio.sleep(POLL_SECONDS)
