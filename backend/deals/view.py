"""A deal as its parties see it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from aicp.abi.typed_data import EscrowTerms as Terms
from aicp.rules.fees import fee
from aicp.rules.primitives import ZERO_ADDRESS, Finality, parse_hash
from backend.auctions.view import award_out, bid_by_hash
from backend.context import Context
from backend.deals import quotes, repo, terms
from backend.deals.actions import ActionFacts, actions_of
from backend.deals.dispute_view import dispute_out, ratings_out, release_signatures_out, split_offers_out
from backend.deals.making_actions import Who
from backend.deals.models import Deal
from backend.deals.schemas import DealOut, DeliverableOut, EscrowOut, IntentRef, TermsOut
from backend.deals.timeline import chain_ref
from backend.domain.task_states import TaskState
from backend.files import service as files
from backend.payments.view import channel_side
from backend.tasks import service as tasks
from backend.tasks.states import public_state
from backend.txm.states import NOT_CARRIED_OUT, IntentState
from backend.wallet.service import collectable
from indexer import views


def terms_out(agreed: Terms) -> TermsOut:
    """Return terms as clients see them."""
    return TermsOut(
        client=agreed.client,
        provider=agreed.provider,
        verifier=agreed.verifier,
        arbiter=agreed.arbiter,
        amount_units=agreed.amount,
        fee_bps=agreed.fee_bps,
        quorum=agreed.quorum,
        accept_by=agreed.accept_by,
        deliver_by=agreed.deliver_by,
        challenge_period=agreed.challenge_period,
        dispute_timeout=agreed.dispute_timeout,
        job_hash=agreed.job_hash,
        salt=agreed.salt.to_bytes(32, "big"),
    )


def _escrow(session: Session, ctx: Context, deal: Deal, min_finality: Finality) -> EscrowOut | None:
    """Return the escrow with money in it, else that of the newest terms; None on the channel path."""
    rows = session.execute(repo.all_terms(deal.id)).scalars().all()
    if not rows:
        return None
    held = {row.escrow_id: views.escrow(session, row.escrow_id, min_finality) for row in rows}
    row = next(
        (row for row in rows if row.lapsed_at is None), next((row for row in rows if held[row.escrow_id]), rows[0])
    )
    chain = held[row.escrow_id]
    agreed = terms.from_json(row.terms)
    quote = None if agreed.arbiter == ZERO_ADDRESS else quotes.known(ctx, agreed.arbiter)
    authorization = session.execute(repo.authorization_of(row.escrow_id)).scalar_one_or_none()
    return EscrowOut(
        escrow_id=row.escrow_id,
        terms=terms_out(agreed),
        acceptance_due=row.acceptance_due,
        acceptance_valid_until=row.acceptance_valid_until,
        acceptance_signature=row.acceptance_signature,
        authorization_valid_before=None if authorization is None else authorization.valid_before,
        payable_until=terms.payable_until(ctx, row),
        chain_status="none" if chain is None else chain.status.value,
        released_units=0 if chain is None else chain.released_units,
        refunded_units=0 if chain is None else chain.refunded_units,
        challenge_ends_at=None if chain is None else chain.challenge_ends_at,
        deliverable_hash=None if chain is None else chain.deliverable_hash,
        outcome=None if chain is None else chain.outcome,
        quorum=agreed.quorum,
        verifier=None if agreed.verifier == ZERO_ADDRESS else agreed.verifier,
        dispute_fee_units=None if quote is None else quote.fee_units,
        arbiter_can_rule=None if quote is None else quote.can_rule,
        dispute=None if chain is None else dispute_out(session, ctx, deal, chain, min_finality),
        split_offers=split_offers_out(session, ctx, deal, chain),
        release_signatures=release_signatures_out(session, row.escrow_id),
        ratings=[] if chain is None else ratings_out(session, deal, row.escrow_id),
        chain=None if chain is None else chain_ref(chain.origin),
    )


def deliverable_out(session: Session, deal: Deal, named: bytes | None) -> DeliverableOut | None:
    """Return the result the chain names, else the newest handed in; none while we lack what the chain names."""
    rows = session.execute(repo.deliverables(deal.id)).scalars()
    row = next((row for row in rows if named is None or row.deliverable_hash == named), None)
    if row is None:
        return None
    listed = {(file["name"], parse_hash(file["sha256"])) for file in row.manifest["files"]}
    attached = [
        file
        for file in files.task_files(session, deal.task_id, "result", deal.id)
        if (file.name, file.sha256) in listed
    ]
    return DeliverableOut(
        deliverable_hash=row.deliverable_hash,
        manifest=row.manifest,
        signature=row.signature,
        files=[files.file_out(file) for file in attached],
        created_at=row.created_at,
    )


def _last_intent(session: Session, deal: Deal) -> IntentRef | None:
    intent = session.execute(repo.last_intent(deal.id)).scalar_one_or_none()
    if intent is None:
        return None
    return IntentRef(
        id=intent.id, kind=intent.kind, state=intent.state, tx_hash=intent.tx_hash, error_code=intent.error_code
    )


def _collectable_by(session: Session, ctx: Context, deal: Deal) -> tuple[Who, ...]:
    parties: tuple[tuple[Who, bytes], ...] = (("buyer", deal.buyer), ("agent", deal.agent))
    return tuple(who for who, account in parties if collectable(session, ctx, account))


def deal_out(
    session: Session,
    ctx: Context,
    deal: Deal,
    min_finality: Finality = Finality.SEEN,
    session_key: bytes | None = None,
) -> DealOut:
    """Return everything its parties may know of a deal; the caller has checked that the reader is one.

    `session_key` is the one that would order: its pool and channel are shown until the deal has an order.
    """
    task = tasks.get(session, deal.task_id)
    award = session.execute(repo.award(deal.award_id)).scalar_one()
    bid = bid_by_hash(session, ctx, deal.bid_hash)
    state = TaskState(task.state)
    escrow = _escrow(session, ctx, deal, min_finality)
    channel = channel_side(session, ctx, deal, session_key) if deal.path == "channel" else None
    last = _last_intent(session, deal)
    live_authorization = session.execute(repo.live_authorization(task.id)).scalar_one_or_none()
    facts = ActionFacts(
        state=state,
        live=deal.live,
        escrow=escrow,
        channel=channel,
        payment_blocked=live_authorization is not None
        and escrow is not None
        and live_authorization.escrow_id != escrow.escrow_id,
        collectable_by=_collectable_by(session, ctx, deal) if escrow and escrow.chain_status == "closed" else (),
        result_underway=last is not None and last.kind == "submit" and IntentState(last.state) not in NOT_CARRIED_OUT,
        dispute_margin_seconds=ctx.constants.dispute_margin_seconds,
    )
    current = task.deal_id == deal.id
    return DealOut(
        id=deal.id,
        task_id=task.id,
        task_hash=task.task_hash,
        title=task.title,
        path=deal.path,
        state=state,
        public_state=public_state(state),
        buyer=deal.buyer,
        agent=deal.agent,
        agent_name=bid.agent_name,
        verifier=deal.verifier,
        price_units=deal.price_units,
        fee_units=fee(deal.price_units, ctx.constants.fee_bps if deal.path == "escrow" else 0),
        live=deal.live,
        current=current,
        ended_reason=deal.ended_reason,
        bid=bid,
        award=award_out(task, award, deal.id),
        description=str(task.document["description"]),
        document=task.document,
        input_files=[files.file_out(file) for file in files.task_files(session, task.id, "input")],
        escrow=escrow,
        channel=channel,
        deliverable=deliverable_out(session, deal, None if escrow is None else escrow.deliverable_hash),
        actions=actions_of(facts) if current else [],
        last_intent=last,
        created_at=deal.created_at,
    )
