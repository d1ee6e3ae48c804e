"""Carries out what a clock decides, so that nobody has to be awake: releases, reclaims, cancellations.

Anyone may send these calls; the contract checks the clock again. Only escrows of our own deals are kept, so that
strangers cannot spend the relayers' gas. One call of a kind and escrow is under way at a time; a failed one is tried
again after a growing pause. A crash loses nothing: the next round finds the same clocks.
"""

from __future__ import annotations

from typing import Final, assert_never

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi.typed_data import EscrowTerms as Terms
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.times import unix
from backend.deals import repo as deals_repo
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.states import ENDED_INTENTS, IntentState
from indexer import views

FIRST_PAUSE_SECONDS: Final = 10
MAX_PAUSE_SECONDS: Final = 600


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


def _call(due: views.DueEscrow) -> tuple[str, bytes, bytes]:
    """Return the kind, the call data and whom the call serves."""
    terms = terms_of(due.escrow)
    match due.reason:
        case views.DueReason.CHALLENGE_OVER:
            return "release_after_challenge", abi.encode_release_after_challenge(terms), terms.provider
        case views.DueReason.DELIVER_BY_OVER:
            return "reclaim", abi.encode_reclaim(terms), terms.client
        case views.DueReason.ACCEPT_BY_OVER:
            return "cancel_unaccepted", abi.encode_cancel(terms), terms.client
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


def keep_escrows(session: Session, ctx: Context) -> int:
    """Ask for every call a clock has made due, margin included; return how many were asked for now."""
    try:
        head_time = views.sync_status(session).head_time
    except views.MirrorEmptyError:
        return 0
    # the chain's clock decides; an idle chain's newest block is old, but the next one will carry today's time
    now = max(head_time, ctx.now())
    asked = 0
    for due in views.due_escrows(session, now - ctx.constants.keeper_margin_seconds):
        escrow_id = due.escrow.escrow_id
        ours = session.execute(deals_repo.terms(escrow_id)).scalar_one_or_none()
        if ours is None:
            continue
        kind, data, beneficiary = _call(due)
        tries = txm.history(session, f"keep:{kind}:{escrow_id.hex()}:")
        if not may_try_again(tries, ctx.now()):
            continue
        txm.enqueue(
            session,
            ctx,
            idem_key=f"keep:{kind}:{escrow_id.hex()}:{len(tries)}",
            kind=kind,
            on_behalf_of=beneficiary,
            to=ctx.deployment.escrow,
            data=data,
            expires_at=None,
            reference={"deal_id": str(ours.deal_id), "escrow_id": hex0x(escrow_id)},
        )
        asked += 1
    return asked
