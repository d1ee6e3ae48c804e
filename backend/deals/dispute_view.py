"""What a deal shows of its dispute, of offers to divide, of signatures for a release, and of ratings."""

from __future__ import annotations

from typing import Final, Literal

from sqlalchemy.orm import Session

from aicp.abi.enums import Role
from aicp.rules.primitives import Finality
from backend.context import Context
from backend.deals import repo
from backend.deals.appeal_view import RULINGS, trial
from backend.deals.dispute_schemas import (
    DisputeOut,
    EvidenceOut,
    Party,
    RatingOut,
    ReleaseSignatureOut,
    SplitOfferOut,
)
from backend.deals.models import Deal, Evidence, SplitOffer
from backend.deals.timeline import chain_ref
from indexer import views

_ROLES: Final[dict[int, Literal["buyer", "agent", "verifier"]]] = {
    Role.CLIENT: "buyer",
    Role.PROVIDER: "agent",
    Role.VERIFIER: "verifier",
}
OFFERS_SHOWN: Final = 10
SIGNATURES_SHOWN: Final = 20


def side_of(deal: Deal, party: bytes) -> Party:
    """Return which side of the deal a party is."""
    return "buyer" if party == deal.buyer else "agent"


def _evidence_out(deal: Deal, row: Evidence) -> EvidenceOut:
    return EvidenceOut(
        party=row.party, role=side_of(deal, row.party), claim=row.document["claim"], files=row.document["files"],
        salt=row.document["salt"], hash=row.evidence_hash, created_at=row.created_at,
    )  # fmt: skip


def dispute_out(
    session: Session, ctx: Context, deal: Deal, held: views.EscrowRow, min_finality: Finality
) -> DisputeOut | None:
    """Return the dispute of an escrow, None if none was raised by the newest block of this finality.

    Of the buyer's evidence only what the chain has the hash of is shown; the agent's is what he handed in.
    """
    raised = views.dispute(session, held.escrow_id, min_finality)
    if raised is None:
        return None
    rows = session.execute(repo.evidence(held.escrow_id)).scalars()
    shown = [row for row in rows if row.party != deal.buyer or row.evidence_hash == raised.evidence_hash]
    joined = next((e for e in views.escrow_events(session, held.escrow_id) if e.kind == "dispute_joined"), None)
    found = None if raised.dispute_id is None else trial(session, ctx, held)
    return DisputeOut(
        arbiter=raised.arbiter,
        arbiter_fee_units=raised.fee_units,
        bond_units=raised.bond_units,
        evidence_hash=raised.evidence_hash,
        raised_at=raised.raised_at,
        respond_by=raised.respond_by,
        responded_at=None if joined is None or raised.dispute_id is None else joined.origin.block_time,
        dispute_id=None if raised.dispute_id is None else str(raised.dispute_id),
        arbiter_period=None if found is None else found.court.period,
        arbiter_period_at=None if found is None else found.court.period_at,
        arbiter_period_ends_at=None if found is None else found.ends_at,
        arbiter_round=None if found is None else found.court.round_number,
        verdict=None if found is None else found.verdict,
        rounds=[] if found is None else found.rounds,
        appeal=None if found is None else found.appeal,
        buyer_credit_units=0 if found is None else found.buyer_credit_units,
        agent_credit_units=0 if found is None else found.agent_credit_units,
        ruling=None if raised.ruling is None else RULINGS[raised.ruling],
        decide_by=raised.decide_by,
        outcome=held.outcome,
        evidence=[_evidence_out(deal, row) for row in shown],
    )


def split_offers_out(session: Session, ctx: Context, deal: Deal, held: views.EscrowRow | None) -> list[SplitOfferOut]:
    """Return the open offers to divide an escrow, then the newest others."""
    if held is None:
        return []
    rows = session.execute(repo.split_offers(held.escrow_id).limit(OFFERS_SHOWN)).scalars()
    return [
        SplitOfferOut(
            id=row.id, offered_by=row.offered_by, role=side_of(deal, row.offered_by),
            to_provider_units=row.to_provider_units, to_client_units=row.to_client_units, valid_until=row.valid_until,
            state=_state_of(row, ctx.now(), held), signature=row.signature, created_at=row.created_at,
        )
        for row in rows
    ]  # fmt: skip


def _state_of(
    row: SplitOffer, now: int, held: views.EscrowRow
) -> Literal["open", "replaced", "accepted", "lapsed"]:  # fmt: skip
    left = held.amount_units - held.released_units - held.refunded_units
    if row.state == "open":
        fits = row.valid_until > now and row.to_provider_units + row.to_client_units == left
        return "open" if fits else "lapsed"
    return "accepted" if row.state == "accepted" else "replaced"


def release_signatures_out(session: Session, escrow_id: bytes) -> list[ReleaseSignatureOut]:
    """Return the newest of the roles' signatures of releases, oldest first; all that wait for others are among them."""
    found = session.execute(repo.newest_release_signatures(escrow_id, SIGNATURES_SHOWN)).scalars()
    rows = sorted(found, key=lambda row: (row.created_at, row.role))
    return [
        ReleaseSignatureOut(
            role=_ROLES[row.role], signer=row.signer, cumulative_released_units=row.cumulative_units,
            valid_until=row.valid_until, signature=row.signature, created_at=row.created_at,
        )
        for row in rows
    ]  # fmt: skip


def ratings_out(session: Session, deal: Deal, escrow_id: bytes) -> list[RatingOut]:
    """Return the ratings on chain, with the comments we were given for them."""
    comments = {
        (action.actor, action.message["comment_hash"]): str(action.message["comment"])
        for action in session.execute(repo.actions(deal.id)).scalars()
        if action.kind == "rate"
    }
    return [
        RatingOut(
            rater=row.rater, ratee=row.ratee, role=side_of(deal, row.rater), score=row.score,
            comment=comments.get((row.rater, "0x" + row.comment_hash.hex())) or None, comment_hash=row.comment_hash,
            settled_units=row.settled_units, chain=chain_ref(row.origin),
        )
        for row in views.ratings(session, escrow_id)
    ]  # fmt: skip
