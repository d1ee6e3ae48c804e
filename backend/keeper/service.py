"""Carries out what a clock or a ruling decides, so that nobody has to be awake: releases, reclaims, cancellations,
ends of disputes, stakes that were not settled, withdrawals.

Anyone may send these calls; the contract checks the clock again. Only escrows of our own deals and withdrawals asked
for through us are kept, so that strangers cannot spend the relayers' gas, nor fill a round with what is not ours. One
call of a kind and subject is under way at a time; a failed one is tried again after a growing pause. Each call is asked
for in a transaction of its own, and a round goes through all of them page by page, so that none holds up another. A
crash loses nothing: the next round finds the same clocks, and the same key names the same call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, assert_never

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi.typed_data import EscrowTerms as Terms
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.times import moment, unix
from backend.deals import repo as deals_repo
from backend.keeper import repo
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.states import ENDED_INTENTS, IntentState
from indexer import views

FIRST_PAUSE_SECONDS: Final = 10
MAX_PAUSE_SECONDS: Final = 600
AT_ONCE: Final = 100

Place = tuple[int, bytes]
"""Where a page ends: the second the clock ran out, and the id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCall:
    """A call a clock has made due; `key` names it for ever."""

    place: Place
    key: str
    kind: str
    to: bytes
    data: bytes
    beneficiary: bytes
    reference: dict[str, Any]
    account: bytes | None = None
    """The one relayer that may send it; None for any."""
    expires_at: int | None = None
    """When a signature in it ends."""


def terms_of(row: views.EscrowRow) -> Terms:
    """Return the terms the mirror knows of an escrow."""
    return Terms(
        client=row.client,
        provider=row.provider,
        verifier=row.verifier,
        arbiter=row.arbiter,
        amount=row.amount_units,
        fee_bps=row.fee_bps,
        quorum=row.quorum,
        accept_by=row.accept_by,
        deliver_by=row.deliver_by,
        challenge_period=row.challenge_period,
        dispute_timeout=row.dispute_timeout,
        job_hash=row.job_hash,
        salt=row.salt,
    )


def _escrow_call(due: views.DueEscrow) -> tuple[str, bytes, bytes]:
    """Return the kind, the call data and whom the call serves."""
    terms = terms_of(due.escrow)
    match due.reason:
        case views.DueReason.CHALLENGE_OVER:
            return "release_after_challenge", abi.encode_release_after_challenge(terms), terms.provider
        case views.DueReason.DELIVER_BY_OVER:
            return "reclaim", abi.encode_reclaim(terms), terms.client
        case views.DueReason.ACCEPT_BY_OVER:
            return "cancel_unaccepted", abi.encode_cancel(terms), terms.client
        case views.DueReason.RESPOND_BY_OVER:
            return "claim_default", abi.encode_claim_default(terms), terms.client
        case views.DueReason.DECIDE_BY_OVER:
            return "resolve_stalled", abi.encode_resolve_stalled(terms), terms.client
        case views.DueReason.RULED:
            return "execute", abi.encode_execute(terms), terms.provider if due.escrow.ruling == 2 else terms.client
        case views.DueReason.STAKE_OWED:
            return "settle_stake", abi.encode_settle_stake(terms), terms.provider
        case _:
            assert_never(due.reason)


def may_try_again(tries: list[Intent], now: int) -> bool:
    """Return whether a call may be sent (again): none is under way, and the pause after the last one is over."""
    if not tries:
        return True
    newest = tries[0]
    if IntentState(newest.state) not in ENDED_INTENTS:
        return False
    pause = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(len(tries), 10))
    return bool(now - unix(newest.updated_at) >= pause)


def _now(session: Session, ctx: Context) -> int | None:
    """Return the second up to which clocks count as run out, margin included; None before the first block."""
    try:
        head_time = views.sync_status(session).head_time
    except views.MirrorEmptyError:
        return None
    # the chain's clock decides; an idle chain's newest block is old, but the next one will carry today's time
    return max(head_time, ctx.now()) - ctx.constants.keeper_margin_seconds


def due_escrows(session: Session, ctx: Context, after: Place | None, *, reason: views.DueReason) -> list[DueCall]:
    """Return the next page of calls for escrows of our deals."""
    now = _now(session, ctx)
    if now is None:
        return []
    rows = views.due_escrows(session, now, reason, among=deals_repo.escrow_ids(), after=after, limit=AT_ONCE)
    ids = [due.escrow.escrow_id for due in rows]
    deals = dict(session.execute(deals_repo.deals_of_escrows(ids)).tuples().all())
    calls: list[DueCall] = []
    for due in rows:
        escrow_id = due.escrow.escrow_id
        kind, data, beneficiary = _escrow_call(due)
        calls.append(
            DueCall(
                place=(due.due_at, escrow_id), key=f"keep:{kind}:{escrow_id.hex()}", kind=kind,
                to=ctx.deployment.escrow, data=data, beneficiary=beneficiary,
                reference={"deal_id": str(deals[escrow_id]), "escrow_id": hex0x(escrow_id)},
            )
        )  # fmt: skip
    return calls


def due_withdrawals(session: Session, ctx: Context, after: Place | None) -> list[DueCall]:
    """Return the next page of calls that pay out pool withdrawals, so that no buyer needs gas to finish one."""
    now = _now(session, ctx)
    if now is None:
        return []
    calls: list[DueCall] = []
    for columns in session.execute(repo.withdrawals_due(now, after, AT_ONCE)).tuples():
        row = repo.Withdrawal(*columns)
        calls.append(
            DueCall(
                place=(row.finalize_at, row.pool_id), key=f"keep:pool_finalize:{row.pool_id.hex()}:{row.nonce}",
                kind="pool_finalize", to=ctx.deployment.payment_channel,
                data=channel_abi.encode_finalize_pool_withdraw(row.payer, row.payer_authorizer, row.operator),
                beneficiary=row.payer, reference={"pool_id": hex0x(row.pool_id)},
            )
        )  # fmt: skip
    return calls


def ask(session: Session, ctx: Context, call: DueCall) -> bool:
    """Ask for a due call unless it is under way or pausing; return whether it was asked for now."""
    tries = txm.history(session, f"{call.key}:")
    if not may_try_again(tries, ctx.now()):
        return False
    txm.enqueue(
        session, ctx, idem_key=f"{call.key}:{len(tries)}", kind=call.kind, on_behalf_of=call.beneficiary, to=call.to,
        data=call.data, expires_at=None if call.expires_at is None else moment(call.expires_at),
        reference=call.reference, account=call.account,
    )  # fmt: skip
    return True
