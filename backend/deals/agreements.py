"""What parties sign together: dividing an escrow, releasing it by a quorum, rating each other afterwards.

Signatures are kept until enough of them are there; the call that needs them is relayed in the same commit as the last.
Whoever signs first fixes amounts and time, the others sign the same message: nobody can be bound to other figures.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi.enums import Role
from aicp.abi.typed_data import EscrowTerms as Terms
from aicp.abi.typed_data import Rating, Release, Split
from aicp.rules.documents import comment_hash
from aicp.rules.primitives import ZERO_ADDRESS, hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals import escrow_steps, repo, terms
from backend.deals.acts import (
    act,
    chain_of,
    key_of,
    relay,
    require_none_underway,
    require_status,
    require_time,
    terms_of,
)
from backend.deals.dispute_schemas import RatingIn, ReleaseSignatureIn, SplitAcceptanceIn, SplitOfferIn
from backend.deals.models import Deal, EscrowTerms, ReleaseSignature, SplitOffer
from backend.deals.schemas import ReleaseIn
from backend.deals.service import lock, require_state
from backend.domain.signatures import require_signer
from backend.domain.task_states import TaskState
from backend.errors import InvalidInput, NotFound, TermsMismatch, WrongState
from backend.notifications import sources as notices
from backend.tasks import service as tasks
from backend.txm import service as txm
from backend.txm.states import NOT_CARRIED_OUT, IntentState
from indexer import views

S = TaskState
Status = views.EscrowStatus
OPEN = (Status.FUNDED, Status.ACCEPTED, Status.SUBMITTED, Status.CHALLENGED, Status.DISPUTED)
"""States in which both parties can still divide what is left."""
AT_WORK = (Status.ACCEPTED, Status.SUBMITTED)
MAX_OPEN: Final = 5
"""Releases of one role that wait for others, and offers of one party kept: the oldest makes room for the next."""
MAX_LIFETIME_SECONDS: Final = 30 * 86_400
"""How long what waits for another's signature may live."""


def _require_lifetime(valid_until: int, ctx: Context) -> None:
    """Raise SignatureExpired unless the time is still to come, InvalidInput when it is too far away."""
    require_time(valid_until, ctx)
    if valid_until > ctx.now() + MAX_LIFETIME_SECONDS:
        raise InvalidInput(
            "What waits for another signature lives 30 days at most.", what_to_do="Sign again with an earlier time.",
            latest=ctx.now() + MAX_LIFETIME_SECONDS,
        )  # fmt: skip


def left_units(held: views.EscrowRow) -> int:
    """Return what of an escrow neither side has got yet."""
    return held.amount_units - held.released_units - held.refunded_units


def _require_whole(session: Session, escrow_id: bytes, to_provider: int, to_client: int) -> None:
    held = chain_of(session, escrow_id)
    require_status(held, "The escrow is decided; there is nothing to divide.", *OPEN)
    if to_provider + to_client != left_units(held):
        raise TermsMismatch(
            "The parts are not what is left.", what_to_do="Offer parts of exactly that.",
            left_units=str(left_units(held)),
        )  # fmt: skip


def offer_split(session: Session, ctx: Context, deal_id: uuid.UUID, party: bytes, given: SplitOfferIn) -> Deal:
    """Keep a party's signed offer to divide what is left; it replaces the party's earlier one.

    Raises TermsMismatch, SignatureExpired, InvalidInput, InvalidSignature, StepUnderway, WrongState.
    """
    deal, task = lock(session, deal_id, party, "buyer", "agent")
    row = terms_of(session, deal, given.escrow_id)
    before = session.execute(repo.open_split_offer(row.escrow_id, party)).scalar_one_or_none()
    if before is not None and before.signature == given.signature:
        return deal
    require_state(deal, task, S.FUNDING, S.ASSIGNED, S.RUNNING, S.DELIVERED, S.DISPUTED)
    _require_lifetime(given.valid_until, ctx)
    _require_whole(session, row.escrow_id, given.to_provider_units, given.to_client_units)
    message = _split(row, given.to_provider_units, given.to_client_units, given.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, party)
    require_none_underway(session, row.escrow_id, "split")
    if before is not None:
        before.state = "replaced"
        session.flush()
        session.execute(repo.forget_offers(row.escrow_id, party, MAX_OPEN - 1))
    offer = SplitOffer(
        id=new_id(), deal_id=deal.id, escrow_id=row.escrow_id, offered_by=party,
        to_provider_units=given.to_provider_units, to_client_units=given.to_client_units,
        valid_until=given.valid_until, signature=given.signature, state="open", acceptance=None, intent_id=None,
        created_at=moment(ctx.now()),
    )  # fmt: skip
    session.add(offer)
    session.flush()
    tasks.announce_deal(session, task, deal.id, "a split was offered")
    notices.split_offered(session, task, deal, offer)
    return deal


def accept_split(  # noqa: PLR0917  # session, context, where, who, what
    session: Session, ctx: Context, deal_id: uuid.UUID, offer_id: uuid.UUID, party: bytes, given: SplitAcceptanceIn
) -> Deal:
    """Relay a split both parties have signed. Raises NotFound, InvalidSignature, SignatureExpired, WrongState."""
    deal, task = lock(session, deal_id, party, "buyer", "agent")
    offer = session.execute(repo.split_offer(offer_id)).scalar_one_or_none()
    if offer is None or offer.deal_id != deal.id or offer.offered_by == party:
        raise NotFound("There is no such offer of the other side.")
    if offer.state == "accepted" and offer.acceptance == given.signature and offer.intent_id is not None:
        tried = txm.get(session, offer.intent_id)
        if IntentState(tried.state) in NOT_CARRIED_OUT:
            raise WrongState(
                "This split was relayed before and failed.", what_to_do="Offer a new one.", error_code=tried.error_code
            )
        return deal
    if offer.state != "open":
        raise WrongState("The offer is not open any more.", offer_state=offer.state)
    require_state(deal, task, S.FUNDING, S.ASSIGNED, S.RUNNING, S.DELIVERED, S.DISPUTED)
    require_time(offer.valid_until, ctx)
    _require_whole(session, offer.escrow_id, offer.to_provider_units, offer.to_client_units)
    row = terms_of(session, deal, offer.escrow_id)
    message = _split(row, offer.to_provider_units, offer.to_client_units, offer.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, party)
    client, provider = (given.signature, offer.signature) if party == deal.buyer else (offer.signature, given.signature)
    data = abi.encode_split(
        terms.from_json(row.terms), offer.to_provider_units, offer.to_client_units, offer.valid_until, client, provider
    )
    require_none_underway(session, row.escrow_id, "split", but=key_of(ctx, row, "split", data))
    intent = relay(
        session, ctx, deal, row, kind="split", actor=party, data=data, expires_at=moment(offer.valid_until)
    )  # fmt: skip
    offer.state, offer.acceptance, offer.intent_id = "accepted", given.signature, intent.id
    session.flush()
    tasks.announce_deal(session, task, deal.id, "a split was accepted")
    return deal


def _split(row: EscrowTerms, to_provider: int, to_client: int, valid_until: int) -> Split:
    return Split(escrow_id=row.escrow_id, to_provider=to_provider, to_client=to_client, valid_until=valid_until)


def sign_release(session: Session, ctx: Context, deal_id: uuid.UUID, signer: bytes, given: ReleaseSignatureIn) -> Deal:
    """Keep a role's signature of a release; relay it when enough roles have signed the same total and time.

    A buyer's signature is enough by itself and is relayed as a release. Of what a role has signed and others have not,
    the newest few are kept. Raises TermsMismatch, SignatureExpired, InvalidInput, InvalidSignature, StepUnderway,
    WrongState.
    """
    deal, task = lock(session, deal_id, signer, "buyer", "agent", "verifier")
    if signer == deal.buyer:
        return escrow_steps.release(session, ctx, deal_id, signer, ReleaseIn(**given.model_dump()))
    row = terms_of(session, deal, given.escrow_id)
    agreed = terms.from_json(row.terms)
    if agreed.quorum == 0 or agreed.verifier == ZERO_ADDRESS or signer not in {agreed.provider, agreed.verifier}:
        raise WrongState("These terms know no release by several signatures of yours.")
    require_state(deal, task, S.ASSIGNED, S.RUNNING, S.DELIVERED)
    held = chain_of(session, row.escrow_id)
    require_status(held, "A release by several signatures needs an escrow at work or submitted.", *AT_WORK)
    cumulative = given.cumulative_released_units
    if not held.released_units < cumulative <= held.amount_units - held.refunded_units:
        raise TermsMismatch("The released total is not above the present one and within the escrow.")
    message = Release(escrow_id=row.escrow_id, cumulative_released=cumulative, valid_until=given.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, signer)
    _require_lifetime(given.valid_until, ctx)
    role = Role.PROVIDER if signer == agreed.provider else Role.VERIFIER
    known = session.get(ReleaseSignature, (row.escrow_id, role.value, cumulative, given.valid_until))
    if known is None:
        session.execute(repo.forget_release_signatures(row.escrow_id, role.value, MAX_OPEN - 1))
        session.add(
            ReleaseSignature(
                escrow_id=row.escrow_id, role=role.value, cumulative_units=cumulative, valid_until=given.valid_until,
                deal_id=deal.id, signer=signer, signature=given.signature, intent_id=None,
                created_at=moment(ctx.now()),
            )
        )  # fmt: skip
        session.flush()
        tasks.announce_deal(session, task, deal.id, "a release was signed")
    _release_if_enough(session, ctx, deal, row, agreed, (cumulative, given.valid_until), signer)
    return deal


def _release_if_enough(  # noqa: PLR0917  # session, context, where, what, who
    session: Session, ctx: Context, deal: Deal, row: EscrowTerms, agreed: Terms, release: tuple[int, int], signer: bytes
) -> None:
    """Relay a release that enough distinct roles have signed, one of them not the agent."""
    signed = list(session.execute(repo.release_signatures(row.escrow_id, *release)).scalars())
    if len(signed) < agreed.quorum or all(one.role == Role.PROVIDER for one in signed):
        return
    signed.sort(key=lambda one: one.role)
    cumulative, valid_until = release
    roles = [abi.RoleSignature(one.role, one.signature) for one in signed]
    data = abi.encode_release_with_quorum(agreed, cumulative, valid_until, roles)
    kind = "release_quorum"
    require_none_underway(session, row.escrow_id, kind, but=key_of(ctx, row, kind, data))
    intent = relay(session, ctx, deal, row, kind=kind, actor=signer, data=data, expires_at=moment(valid_until))
    if IntentState(intent.state) in NOT_CARRIED_OUT:
        raise WrongState(
            "This release was relayed before and failed.", what_to_do="Sign again with another time.",
            error_code=intent.error_code,
        )  # fmt: skip
    for one in signed:
        one.intent_id = intent.id
    session.flush()


def rate(session: Session, ctx: Context, deal_id: uuid.UUID, rater: bytes, given: RatingIn) -> Deal:
    """Relay a party's rating of the other side of a closed escrow, once.

    Raises TermsMismatch (the comment has another hash), SignatureExpired, InvalidSignature, StepUnderway, WrongState.
    """
    deal, task = lock(session, deal_id, rater, "buyer", "agent")
    row = terms_of(session, deal, given.escrow_id)
    if given.comment_hash != _hash_of(given.comment):
        raise TermsMismatch("The comment has another hash.", comment_hash=hex0x(_hash_of(given.comment)))
    held = chain_of(session, row.escrow_id)
    if held.status is not Status.CLOSED or held.accepted_at is None:
        raise WrongState("Only the parties of a deal that is over rate each other.", chain_status=held.status.value)
    for rating in views.ratings(session, row.escrow_id):
        if rating.rater == rater:
            if (rating.score, rating.comment_hash) == (given.score, given.comment_hash):
                return deal
            raise WrongState("You have rated this deal.", score=rating.score)
    agreed = terms.from_json(row.terms)
    data = abi.encode_rate_with_signature(
        agreed, rater, given.score, given.comment_hash, given.valid_until, given.signature
    )
    require_none_underway(session, row.escrow_id, "rate", but=key_of(ctx, row, "rate", data), of=rater)
    message = Rating(
        escrow_id=row.escrow_id, score=given.score, comment_hash=given.comment_hash, valid_until=given.valid_until
    )
    act(
        session, ctx, deal, row, kind="rate", actor=rater, message=message,
        fields={"score": given.score, "comment": given.comment, "comment_hash": hex0x(given.comment_hash)},
        signature=given.signature, valid_until=given.valid_until, data=data,
    )  # fmt: skip
    tasks.announce_deal(session, task, deal.id, "a rating was signed")
    return deal


def _hash_of(comment: str) -> bytes:
    try:
        return comment_hash(comment)
    except ValueError as error:
        raise InvalidInput("The comment has no UTF-8 form.") from error
