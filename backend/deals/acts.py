"""What every signed step of an escrow deal is made of: the terms it is about, its clock, its relayed call, its record.

One step is one transaction: the act is stored with the intent that carries it, or neither is. At most one intent of a
kind that must not be doubled is under way for an escrow; the same act again returns the same intent.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import TypedMessage
from aicp.rules.primitives import Finality, hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals import repo
from backend.deals.errors import StepUnderway, SubmissionUnderway
from backend.deals.models import Deal, DealAction, EscrowTerms
from backend.domain.signatures import require_signer
from backend.errors import SignatureExpired, TermsMismatch, WrongState
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.states import ENDED_INTENTS, NOT_CARRIED_OUT, IntentState
from backend.wallet.budget import charge
from indexer import views

ONCE: Final = frozenset({"submit", "dispute", "respond", "split", "rate"})
"""Calls an escrow takes once, ratings once from either side."""


def require_time(valid_until: int, ctx: Context) -> None:
    """Raise SignatureExpired unless the time is still to come."""
    if valid_until <= ctx.now():
        raise SignatureExpired(what_to_do="Sign again with a later time.", valid_until=valid_until)


def chain_of(session: Session, escrow_id: bytes) -> views.EscrowRow:
    """Return the escrow at the newest block. Raises WrongState while it is not funded."""
    row = views.escrow(session, escrow_id, Finality.SEEN)
    if row is None:
        raise WrongState("The escrow is not funded.")
    return row


def terms_of(session: Session, deal: Deal, escrow_id: bytes) -> EscrowTerms:
    """Return terms of the deal, lapsed ones included: money may be in their escrow all the same.

    Raises TermsMismatch when they are another deal's.
    """
    row = session.execute(repo.terms(escrow_id)).scalar_one_or_none()
    if row is None or row.deal_id != deal.id:
        raise TermsMismatch("The deal has no such escrow.")
    return row


def require_status(held: views.EscrowRow, sentence: str, *allowed: views.EscrowStatus) -> None:
    """Raise WrongState with the sentence unless the escrow is in one of the states at the newest block."""
    if held.status not in allowed:
        raise WrongState(sentence, chain_status=held.status.value)


def require_none_underway(
    session: Session, escrow_id: bytes, kind: str, *, but: str | None = None, of: bytes | None = None
) -> None:
    """Raise StepUnderway while the relayer has another call of this kind that may still be carried out.

    What can be done only once is not asked for again even after it was. `but` is the key of the call that may be asked
    for again, `of` the one account whose calls count.
    """
    over = NOT_CARRIED_OUT if kind in ONCE else ENDED_INTENTS
    for intent in txm.history(session, f"{kind}:{escrow_id.hex()}:"):
        if of is not None and intent.on_behalf_of != of:
            continue
        if intent.idem_key != but and IntentState(intent.state) not in over:
            refusal = SubmissionUnderway if kind == "submit" else StepUnderway
            raise refusal(what_to_do="Wait until it is mined or has failed.", intent_id=str(intent.id), kind=kind)


def key_of(ctx: Context, row: EscrowTerms, kind: str, data: bytes, to: bytes | None = None) -> str:
    """Return the name of a call for ever; it is one of Escrow unless `to` is another contract."""
    return f"{kind}:{row.escrow_id.hex()}:{txm.intent_hash(to or ctx.deployment.escrow, data, None).hex()}"


def relay(
    session: Session,
    ctx: Context,
    deal: Deal,
    row: EscrowTerms,
    *,
    kind: str,
    actor: bytes,
    data: bytes,
    expires_at: dt.datetime,
    to: bytes | None = None,
) -> Intent:
    """Ask for a call of Escrow, or of `to`, on the actor's account.

    Raises LimitExceeded when his gas of today is used up.
    """
    return txm.enqueue(
        session,
        ctx,
        idem_key=key_of(ctx, row, kind, data, to),
        kind=kind,
        on_behalf_of=actor,
        to=to or ctx.deployment.escrow,
        data=data,
        expires_at=expires_at,
        reference={"deal_id": str(deal.id), "escrow_id": hex0x(row.escrow_id)},
        when_new=partial(charge, session, ctx, actor, kind),
    )


def record(
    session: Session,
    ctx: Context,
    deal: Deal,
    *,
    kind: str,
    actor: bytes,
    fields: dict[str, Any],
    signature: bytes,
    intent: Intent,
) -> bool:
    """Keep a signed act with its intent; return whether it is new.

    Raises WrongState when the same signature was relayed before and failed.
    """
    done = any(action.signature == signature for action in session.execute(repo.actions(deal.id)).scalars())
    if done and IntentState(intent.state) in NOT_CARRIED_OUT:
        raise WrongState(
            "This signature was relayed before and failed.", what_to_do="Sign again.", error_code=intent.error_code
        )
    if not done:
        session.add(
            DealAction(
                id=new_id(), deal_id=deal.id, kind=kind, actor=actor, message=fields, signature=signature,
                intent_id=intent.id, created_at=moment(ctx.now()),
            )
        )  # fmt: skip
        session.flush()
    return not done


def act(
    session: Session,
    ctx: Context,
    deal: Deal,
    row: EscrowTerms,
    *,
    kind: str,
    actor: bytes,
    message: TypedMessage,
    fields: dict[str, Any],
    signature: bytes,
    valid_until: int,
    data: bytes,
) -> Deal:
    """Check, keep and relay one signed act; the same act again changes nothing unless its first try has failed."""
    require_signer(message, ctx.domains.escrow, signature, actor)
    require_time(valid_until, ctx)
    intent = relay(session, ctx, deal, row, kind=kind, actor=actor, data=data, expires_at=moment(valid_until))
    record(session, ctx, deal, kind=kind, actor=actor, fields=fields, signature=signature, intent=intent)
    return deal
