"""The signed steps of a deal paid by escrow.

Each checks who signed what against the stored terms, keeps the signature, and asks the transaction manager to relay it.
None of them moves money or a final state by itself: the task follows the chain (see reconcile.py).
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi.typed_data import Acceptance, Cancellation, ReceiveWithAuthorization, Refund, Release, Submission
from aicp.rules.documents import FileEntry, deliverable_hash, manifest
from aicp.rules.fees import required_stake
from aicp.rules.primitives import Finality, format_usdc, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.deals import authorizations, repo, terms
from backend.deals.acts import (
    act,
    chain_of,
    relay,
    require_none_underway,
    require_status,
    require_time,
    terms_of,
)
from backend.deals.errors import StakeShort
from backend.deals.models import Deal, Deliverable, EscrowTerms
from backend.deals.schemas import (
    AcceptanceIn,
    AuthorizationIn,
    CancellationIn,
    RefundIn,
    ReleaseIn,
    SubmissionIn,
)
from backend.deals.service import lock, require_state
from backend.domain.signatures import require_signer
from backend.domain.task_states import TaskState
from backend.errors import InvalidInput, SignatureExpired, TermsMismatch, WrongState
from backend.files import service as files
from backend.files.schemas import Manifest
from backend.tasks import service as tasks
from backend.txm import service as txm
from backend.wallet.budget import charge
from indexer import views

S = TaskState
RELEASABLE: Final = (views.EscrowStatus.FUNDED, views.EscrowStatus.ACCEPTED, views.EscrowStatus.SUBMITTED)
"""Where a release may be asked for; a funded escrow is on its way to being accepted."""


LEAST_TO_PAY_SECONDS: Final = 300
"""So long an acceptance must be valid: who accepts for a moment only would keep the task from its buyer."""


def _current(session: Session, deal: Deal, escrow_id: bytes) -> EscrowTerms:
    row = terms.current(session, deal.id)
    if row is None or row.escrow_id != escrow_id:
        raise TermsMismatch(
            "These are not the deal's current terms.", what_to_do="Read the deal again and sign its terms.",
            escrow_id=None if row is None else hex0x(row.escrow_id),
        )  # fmt: skip
    return row


def accept(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: AcceptanceIn) -> Deal:
    """Take the agent's acceptance; the buyer may pay from now on. Repeating the same acceptance changes nothing.

    Raises TermsMismatch, SignatureExpired, InvalidSignature, StakeShort, WrongState.
    """
    deal, task = lock(session, deal_id, agent, "agent")
    row = _current(session, deal, given.escrow_id)
    if row.acceptance_signature == given.signature and row.acceptance_valid_until == given.valid_until:
        return deal
    require_state(deal, task, S.AWAITING_ACCEPTANCE)
    now = ctx.now()
    require_time(given.valid_until, ctx)
    if given.valid_until < now + LEAST_TO_PAY_SECONDS:
        raise SignatureExpired("The acceptance runs out before the buyer could pay.", valid_until=given.valid_until)
    if now > row.acceptance_due or now >= row.accept_by:
        raise SignatureExpired("The time to accept these terms is over.", acceptance_due=row.acceptance_due)
    message = Acceptance(escrow_id=row.escrow_id, valid_until=given.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, deal.agent)
    need = required_stake(deal.price_units, ctx.constants.stake_bps)
    # one stake backs one escrow: what other accepted deals will lock when they are paid is not free any more
    session.execute(repo.lock_stake_promises(deal.agent))
    promised = sum(
        required_stake(price, ctx.constants.stake_bps)
        for price in session.execute(repo.prices_promised(deal.agent, deal.id)).scalars()
    )
    free = max(views.stake(session, deal.agent, Finality.SEEN).free_units - promised, 0)
    if free < need:
        raise StakeShort(
            f"This escrow locks {format_usdc(need)} USDC of stake; {format_usdc(free)} USDC are free.",
            what_to_do="Stake the difference, then accept again.", need_units=str(need), free_units=str(free),
        )  # fmt: skip
    row.acceptance_signature = given.signature
    row.acceptance_valid_until = given.valid_until
    evidence = {"escrow_id": hex0x(row.escrow_id), "signature": hex0x(given.signature)}
    tasks.move(
        session, ctx, task, S.AWAITING_PAYMENT, reason="accepted by the agent", evidence=evidence, deal_id=deal.id
    )
    return deal


def authorize(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: AuthorizationIn) -> Deal:
    """Take the buyer's payment and relay it together with the agent's acceptance.

    Raises TermsMismatch, SignatureExpired, InvalidSignature, AuthorizationLive, WrongState, LimitExceeded.
    """
    deal, task = lock(session, deal_id, buyer, "buyer")
    stored = session.execute(repo.authorization_of(given.escrow_id)).scalar_one_or_none()
    if stored is not None and stored.deal_id == deal.id and stored.signature == given.signature:
        return deal
    require_state(deal, task, S.AWAITING_PAYMENT)
    row = _current(session, deal, given.escrow_id)
    latest = terms.payable_until(ctx, row)
    if latest is None or row.acceptance_signature is None or row.acceptance_valid_until is None:
        raise SignatureExpired("The terms have lapsed.", what_to_do="Read the deal again; it gets new terms.")
    if given.valid_before > latest:
        raise TermsMismatch("The authorization would live too long.", payable_until=latest)
    require_time(given.valid_before, ctx)
    agreed = terms.from_json(row.terms)
    message = ReceiveWithAuthorization(
        from_=deal.buyer, to=ctx.deployment.escrow, value=agreed.amount, valid_after=0,
        valid_before=given.valid_before, nonce=row.escrow_id,
    )  # fmt: skip
    require_signer(message, ctx.domains.token, given.signature, deal.buyer)
    authorizations.require_none_live(session, ctx, task.id, row.escrow_id)
    acceptance = abi.Acceptance(valid_until=row.acceptance_valid_until, signature=row.acceptance_signature)
    intent = txm.enqueue(
        session,
        ctx,
        idem_key=f"fund:{row.escrow_id.hex()}:{txm.key_of_signature(given.signature)}",
        kind="fund",
        on_behalf_of=deal.buyer,
        to=ctx.deployment.escrow,
        data=abi.encode_fund_with_authorization(agreed, given.valid_before, given.signature, acceptance),
        expires_at=moment(given.valid_before),
        reference={"deal_id": str(deal.id), "escrow_id": hex0x(row.escrow_id)},
        when_new=partial(charge, session, ctx, deal.buyer, "fund"),
    )
    authorizations.store(session, ctx, deal, row.escrow_id, given, intent)
    evidence = {"escrow_id": hex0x(row.escrow_id), "signature": hex0x(given.signature), "intent": str(intent.id)}
    tasks.move(session, ctx, task, S.FUNDING, reason="payment signed by the buyer", evidence=evidence, deal_id=deal.id)
    return deal


def manifest_hash(given: Manifest) -> bytes:
    """Return the hash a manifest commits to. Raises InvalidInput when it has no canonical form."""
    entries = [
        FileEntry(name=file.name, sha256=file.sha256, size=file.size, media_type=file.media_type)
        for file in given.files
    ]
    try:
        return deliverable_hash(manifest(entries, given.salt))
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def store_deliverable(
    session: Session,
    ctx: Context,
    deal: Deal,
    given: Manifest,
    *,
    signature: bytes,
    valid_until: int | None,
    intent_id: uuid.UUID | None,
) -> None:
    """Keep what was handed in and attach its files to the deal."""
    digest = manifest_hash(given)
    files.attach_results(session, ctx, deal.agent, deal.task_id, deal.id, given.files)
    known = session.get(Deliverable, (deal.id, digest))
    if known is None:
        known = Deliverable(
            deal_id=deal.id, deliverable_hash=digest, manifest=given.model_dump(mode="json"),
            created_at=moment(ctx.now()),
        )  # fmt: skip
        session.add(known)
    known.signature = signature
    known.valid_until = valid_until
    known.intent_id = intent_id or known.intent_id
    session.flush()


def submit(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: SubmissionIn) -> Deal:
    """Take the agent's result and relay its submission; the task is delivered once the chain says so.

    A result that was submitted straight from the wallet is only attached. Raises TermsMismatch, SignatureExpired,
    InvalidSignature, UnknownFile, SubmissionUnderway, WrongState.
    """
    deal, task = lock(session, deal_id, agent, "agent")
    row = terms_of(session, deal, given.escrow_id)
    digest = manifest_hash(given.manifest)
    known = session.get(Deliverable, (deal.id, digest))
    if known is not None and known.signature == given.signature and task.state != S.DELIVERED:
        return deal
    message = Submission(escrow_id=row.escrow_id, deliverable_hash=digest, valid_until=given.valid_until)
    state = require_state(deal, task, S.ASSIGNED, S.RUNNING, S.DELIVERED)
    require_signer(message, ctx.domains.escrow, given.signature, deal.agent)
    intent_id: uuid.UUID | None = None
    if state is S.DELIVERED:
        if chain_of(session, row.escrow_id).deliverable_hash != digest:
            raise WrongState("Another result was submitted.", state=state.value)
    else:
        require_time(given.valid_until, ctx)
        if ctx.now() >= row.deliver_by:
            raise SignatureExpired("The delivery time is over.", deliver_by=row.deliver_by)
        require_none_underway(session, row.escrow_id, "submit")
        data = abi.encode_submit_with_signature(terms.from_json(row.terms), digest, given.valid_until, given.signature)
        expires = moment(min(given.valid_until, row.deliver_by))
        intent_id = relay(session, ctx, deal, row, kind="submit", actor=deal.agent, data=data, expires_at=expires).id
    store_deliverable(
        session, ctx, deal, given.manifest, signature=given.signature, valid_until=given.valid_until,
        intent_id=intent_id,
    )  # fmt: skip
    tasks.announce_deal(session, task, deal.id, "result handed in")
    return deal


def release(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: ReleaseIn) -> Deal:
    """Relay the buyer's release. Raises TermsMismatch, SignatureExpired, InvalidSignature, WrongState."""
    deal, task = lock(session, deal_id, buyer, "buyer")
    row = terms_of(session, deal, given.escrow_id)
    require_state(deal, task, S.ASSIGNED, S.RUNNING, S.DELIVERED)
    held = chain_of(session, row.escrow_id)
    require_status(held, "A disputed escrow is not released by its buyer alone; offer a split.", *RELEASABLE)
    cumulative = given.cumulative_released_units
    if not held.released_units < cumulative <= held.amount_units - held.refunded_units:
        raise TermsMismatch("The released total is not above the present one and within the escrow.")
    message = Release(escrow_id=row.escrow_id, cumulative_released=cumulative, valid_until=given.valid_until)
    data = abi.encode_release_with_signature(terms.from_json(row.terms), cumulative, given.valid_until, given.signature)
    return act(
        session, ctx, deal, row, kind="release", actor=deal.buyer, message=message,
        fields={"cumulative_released_units": str(cumulative), "valid_until": given.valid_until},
        signature=given.signature, valid_until=given.valid_until, data=data,
    )  # fmt: skip


def refund(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: RefundIn) -> Deal:
    """Relay the agent's refund. Raises TermsMismatch, SignatureExpired, InvalidSignature, WrongState."""
    deal, task = lock(session, deal_id, agent, "agent")
    row = terms_of(session, deal, given.escrow_id)
    require_state(deal, task, S.FUNDING, S.ASSIGNED, S.RUNNING, S.DELIVERED, S.DISPUTED)
    held = chain_of(session, row.escrow_id)
    if held.status in {views.EscrowStatus.RULED, views.EscrowStatus.CLOSED}:
        raise WrongState("The escrow is decided; nothing can be given back any more.", chain_status=held.status.value)
    cumulative = given.cumulative_refunded_units
    if not held.refunded_units < cumulative <= held.amount_units - held.released_units:
        raise TermsMismatch("The refunded total is not above the present one and within the escrow.")
    message = Refund(escrow_id=row.escrow_id, cumulative_refunded=cumulative, valid_until=given.valid_until)
    data = abi.encode_refund_with_signature(terms.from_json(row.terms), cumulative, given.valid_until, given.signature)
    return act(
        session, ctx, deal, row, kind="refund", actor=deal.agent, message=message,
        fields={"cumulative_refunded_units": str(cumulative), "valid_until": given.valid_until},
        signature=given.signature, valid_until=given.valid_until, data=data,
    )  # fmt: skip


def cancel(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: CancellationIn) -> Deal:
    """Relay the buyer's cancellation of an escrow nobody has accepted. Raises as the others do."""
    deal, _ = lock(session, deal_id, buyer, "buyer")
    row = terms_of(session, deal, given.escrow_id)
    if chain_of(session, row.escrow_id).status is not views.EscrowStatus.FUNDED:
        raise WrongState("Only a funded escrow nobody has accepted can be cancelled.")
    message = Cancellation(escrow_id=row.escrow_id, valid_until=given.valid_until)
    data = abi.encode_cancel_with_signature(terms.from_json(row.terms), given.valid_until, given.signature)
    return act(
        session, ctx, deal, row, kind="cancel", actor=deal.buyer, message=message,
        fields={"valid_until": given.valid_until}, signature=given.signature, valid_until=given.valid_until, data=data,
    )  # fmt: skip


__all__ = ["accept", "authorize", "cancel", "manifest_hash", "refund", "release", "store_deliverable", "submit"]
