"""The signed steps of a dispute: the buyer raises it, the agent answers; nobody needs gas, both put up a bond.

A step takes the party's signature, the evidence its hash commits to, and either a bond signed for exactly the arbiter's
present fee or the party's balance in the escrow contract. Whatever the fee is when the call is mined decides: a bond of
another value, or a balance too small, fails there as a whole and nothing has moved. A crash before the commit leaves
neither evidence nor intent; after it, the next sweep of any worker carries the intent out.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import escrow as abi
from aicp.abi.typed_data import Dispute, EscrowTerms, ReceiveWithAuthorization, Response
from aicp.rules.documents import FileEntry, evidence_document, evidence_hash
from aicp.rules.ids import bond_nonce
from aicp.rules.primitives import ZERO_ADDRESS, Finality, format_usdc, hex0x
from backend.context import Context
from backend.db.times import moment
from backend.deals import quotes, repo, terms
from backend.deals.acts import chain_of, key_of, record, relay, require_none_underway, require_time, terms_of
from backend.deals.dispute_schemas import BondIn, DisputeIn, EvidenceIn, ResponseIn
from backend.deals.errors import BondMismatch, BondShort
from backend.deals.models import Deal, Evidence
from backend.deals.service import lock, require_state
from backend.domain.signatures import require_signer
from backend.domain.task_states import TaskState
from backend.errors import InvalidInput, SignatureExpired, TermsMismatch, Unavailable, WrongState
from backend.files import service as files
from backend.tasks import service as tasks
from indexer import views

S = TaskState
Status = views.EscrowStatus
MAX_STATEMENTS: Final = 5
"""Statements of one party in one dispute: a call that failed may be signed again with better ones."""


def dispute(session: Session, ctx: Context, deal_id: uuid.UUID, buyer: bytes, given: DisputeIn) -> Deal:
    """Relay the buyer's dispute of a submitted result; the task is disputed once the chain says so.

    Evidence of a dispute raised straight from the wallet is only attached. Raises TermsMismatch, SignatureExpired,
    InvalidSignature, UnknownFile, BondMismatch, BondShort, StepUnderway, WrongState, Unavailable, LimitExceeded.
    """
    deal, task = lock(session, deal_id, buyer, "buyer")
    row = terms_of(session, deal, given.escrow_id)
    evidence = _evidence(session, ctx, deal, row.escrow_id, buyer, given.evidence)
    if given.evidence_hash not in {None, evidence.evidence_hash}:
        raise TermsMismatch("The evidence has another hash.", evidence_hash=hex0x(evidence.evidence_hash))
    message = Dispute(escrow_id=row.escrow_id, evidence_hash=evidence.evidence_hash, valid_until=given.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, buyer)
    raised = views.dispute(session, row.escrow_id, Finality.SEEN)
    if raised is not None:
        if raised.evidence_hash != evidence.evidence_hash:
            raise WrongState("The result is disputed already, with other evidence.")
        return _attach(session, deal, evidence)
    require_state(deal, task, S.ASSIGNED, S.RUNNING, S.DELIVERED)
    held = chain_of(session, row.escrow_id)
    if held.status is not Status.SUBMITTED or held.challenge_ends_at is None:
        raise WrongState("Only a submitted result can be disputed.", chain_status=held.status.value)
    require_time(given.valid_until, ctx)
    if ctx.now() >= held.challenge_ends_at:
        raise SignatureExpired("The time to dispute is over.", challenge_ends_at=held.challenge_ends_at)
    agreed = terms.from_json(row.terms)
    bond = _bond(session, ctx, agreed, row.escrow_id, buyer, given.bond)
    data = abi.encode_dispute_with_signature(
        agreed, evidence.evidence_hash, given.valid_until, given.signature, bond
    )  # fmt: skip
    require_none_underway(session, row.escrow_id, "dispute", but=key_of(ctx, row, "dispute", data))
    expires = min(given.valid_until, held.challenge_ends_at, bond.valid_before or given.valid_until)
    intent = relay(session, ctx, deal, row, kind="dispute", actor=buyer, data=data, expires_at=moment(expires))
    fields = {"evidence_hash": hex0x(evidence.evidence_hash), "valid_until": given.valid_until}
    signature = given.signature + bond.signature
    if record(session, ctx, deal, kind="dispute", actor=buyer, fields=fields, signature=signature, intent=intent):
        _attach(session, deal, evidence)
        tasks.announce_deal(session, task, deal.id, "dispute signed by the buyer")
    return deal


def respond(session: Session, ctx: Context, deal_id: uuid.UUID, agent: bytes, given: ResponseIn) -> Deal:
    """Relay the agent's answer to a dispute, which brings it before the arbiter. Raises as `dispute` does.

    Evidence of an answer sent straight from the wallet is only attached.
    """
    deal, task = lock(session, deal_id, agent, "agent")
    row = terms_of(session, deal, given.escrow_id)
    said = given.evidence
    evidence = None if said is None else _evidence(session, ctx, deal, row.escrow_id, agent, said)
    message = Response(escrow_id=row.escrow_id, valid_until=given.valid_until)
    require_signer(message, ctx.domains.escrow, given.signature, agent)
    require_state(deal, task, S.DELIVERED, S.DISPUTED)
    held = chain_of(session, row.escrow_id)
    if held.status is Status.DISPUTED and evidence is not None:
        return _attach(session, deal, evidence)
    if held.status is not Status.CHALLENGED or held.respond_by is None:
        raise WrongState("There is no dispute to answer.", chain_status=held.status.value)
    require_time(given.valid_until, ctx)
    if ctx.now() >= held.respond_by:
        raise SignatureExpired("The time to answer is over.", respond_by=held.respond_by)
    agreed = terms.from_json(row.terms)
    bond = _bond(session, ctx, agreed, row.escrow_id, agent, given.bond)
    data = abi.encode_respond_with_signature(agreed, given.valid_until, given.signature, bond)
    require_none_underway(session, row.escrow_id, "respond", but=key_of(ctx, row, "respond", data))
    expires = min(given.valid_until, held.respond_by, bond.valid_before or given.valid_until)
    intent = relay(session, ctx, deal, row, kind="respond", actor=agent, data=data, expires_at=moment(expires))
    fields = {
        "evidence_hash": None if evidence is None else hex0x(evidence.evidence_hash), "valid_until": given.valid_until,
    }  # fmt: skip
    signature = given.signature + bond.signature
    if record(session, ctx, deal, kind="respond", actor=agent, fields=fields, signature=signature, intent=intent):
        if evidence is not None:
            _attach(session, deal, evidence)
        tasks.announce_deal(session, task, deal.id, "answer to the dispute signed by the agent")
    return deal


def _evidence(  # noqa: PLR0917  # session, context, where, who, what
    session: Session, ctx: Context, deal: Deal, escrow_id: bytes, party: bytes, given: EvidenceIn
) -> Evidence:
    """Return what a party says as a row that is not stored yet; its files are the party's own uploads."""
    files.require_listed(session, ctx, party, given.files)
    entries = [FileEntry(name=f.name, sha256=f.sha256, size=f.size, media_type=f.media_type) for f in given.files]
    try:
        document = evidence_document(
            escrow=escrow_id, party=party, claim=given.claim, files=entries, salt=given.salt
        )  # fmt: skip
        digest = evidence_hash(document)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return Evidence(
        escrow_id=escrow_id, evidence_hash=digest, deal_id=deal.id, party=party, document=document,
        created_at=moment(ctx.now()),
    )  # fmt: skip


def _attach(session: Session, deal: Deal, evidence: Evidence) -> Deal:
    """Keep evidence; the same again changes nothing. Raises WrongState where a party has said enough."""
    held = session.execute(repo.evidence(evidence.escrow_id)).scalars().all()
    if any(row.evidence_hash == evidence.evidence_hash for row in held):
        return deal
    if sum(row.party == evidence.party for row in held) >= MAX_STATEMENTS:
        raise WrongState("You have handed in as much evidence as a dispute takes.", most=MAX_STATEMENTS)
    session.add(evidence)
    session.flush()
    return deal


def _bond(  # noqa: PLR0917  # session, context, of which escrow, whose, what
    session: Session, ctx: Context, agreed: EscrowTerms, escrow_id: bytes, party: bytes, given: BondIn | None
) -> abi.BondAuthorization:
    """Return the bond as the contract takes it: signed for exactly the arbiter's fee, or empty for the balance."""
    if agreed.arbiter == ZERO_ADDRESS:
        raise WrongState("The terms name no arbiter.")
    quote = quotes.known(ctx, agreed.arbiter)
    if quote is None:
        raise Unavailable("The arbiter's fee is not known, as no chain node answers.")
    fee = quote.fee_units
    if given is None:
        balance = views.ledger_balance(session, ctx.deployment.escrow, party, Finality.SEEN)
        if fee > min(balance, agreed.amount):
            raise BondShort(
                f"The arbiter asks for {format_usdc(fee)} USDC; {format_usdc(balance)} USDC are in your balance.",
                what_to_do="Sign a bond from your wallet.", fee_units=str(fee), balance_units=str(balance),
            )  # fmt: skip
        return abi.BondAuthorization(0, b"")
    if given.value_units != fee:
        raise BondMismatch(
            f"The arbiter asks for {format_usdc(fee)} USDC now.", what_to_do="Sign a bond of exactly that.",
            fee_units=str(fee),
        )  # fmt: skip
    require_time(given.valid_before, ctx)
    message = ReceiveWithAuthorization(
        from_=party, to=ctx.deployment.escrow, value=fee, valid_after=0, valid_before=given.valid_before,
        nonce=bond_nonce(escrow_id, party),
    )  # fmt: skip
    require_signer(message, ctx.domains.token, given.signature, party)
    return abi.BondAuthorization(given.valid_before, given.signature)
