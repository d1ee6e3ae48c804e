"""Recompute what a dispute, an offer to divide and a signature of a release claim, before anything is signed for them.

Pure, as `aicp.client.verify`: what the service answered goes in; checked facts come out, or Mismatch or NotDue is
raised.
"""

from __future__ import annotations

from typing import Final

from aicp.abi.typed_data import EscrowTerms, Release, Split
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch, NotDue
from aicp.client.verify import check_escrow, require, signed_by, terms_message
from aicp.rules.documents import (
    deliverable_hash,
    evidence_document,
    evidence_hash,
    job_hash,
    manifest,
    named_verifier,
    task_hash,
)
from aicp.rules.ids import dispute_extra, dispute_id, escrow_id
from aicp.rules.primitives import ZERO_ADDRESS

MAX_OFFER_SECONDS: Final = 7 * 86_400
"""Nobody is bound for longer by an offer to divide or by a signature that waits for another one."""


def escrow_of(deal: models.Deal, chain: Chain) -> tuple[EscrowTerms, models.EscrowSide]:
    """Return checked terms and chain side of a deal whose parties disagree, divide or rate.

    Verifier and arbiter must be the ones the buyer named and the network knows. Raises Mismatch.
    """
    terms = check_escrow(deal, chain)
    if deal.escrow is None:
        raise Mismatch("The deal has no escrow. Nothing was signed.")
    require(terms.verifier == named_verifier(deal.document), "The terms name a verifier the buyer did not name.")
    require(
        terms.arbiter == ZERO_ADDRESS or terms.arbiter in chain.arbiters,
        "The terms name an arbiter this network does not know.",
    )
    require(deal.escrow.left_units >= 0, "The service shows more paid out than there was.")
    return terms, deal.escrow


def require_status(escrow: models.EscrowSide, sentence: str, *statuses: str) -> None:
    """Raise NotDue with the sentence unless the escrow is in one of the states."""
    if escrow.chain_status not in statuses:
        raise NotDue(f"{sentence} The escrow is {escrow.chain_status}.")


def check_evidence(evidence: models.Evidence, deal: models.Deal, chain: Chain) -> None:
    """Check that a statement is what its hash says, of the party it names; the buyer's is the one on chain."""
    terms, escrow = escrow_of(deal, chain)
    on_chain = None if escrow.dispute is None else escrow.dispute.evidence_hash
    check_statement(evidence, escrow.escrow_id, terms, on_chain)


def check_statement(evidence: models.Evidence, escrow_id: bytes, terms: EscrowTerms, on_chain: bytes | None) -> None:
    """Check that a statement is what its hash says, of the party it names; the buyer's is the one `on_chain`."""
    document = evidence_document(
        escrow=escrow_id,
        party=evidence.party,
        claim=evidence.claim,
        files=[file.entry() for file in evidence.files],
        salt=evidence.salt,
    )
    require(evidence_hash(document) == evidence.hash, "The evidence does not match its hash.")
    side = terms.client if evidence.role == "buyer" else terms.provider
    require(evidence.party == side, "The evidence is of somebody else.")
    if evidence.role == "buyer" and on_chain is not None:
        require(evidence.hash == on_chain, "The evidence is not the one the chain has the hash of.")


def number_of(deal: models.Deal, chain: Chain) -> int:
    """Return the arbiter's number of a deal's dispute, computed from its terms. Raises NotDue, Mismatch."""
    terms, escrow = escrow_of(deal, chain)
    if escrow.dispute is None or escrow.dispute.dispute_id is None:
        raise NotDue("The arbiter has no dispute about this deal.")
    extra = dispute_extra(escrow.escrow_id, terms)
    number = dispute_id(chain.chain_id, terms.arbiter, chain.contracts.escrow, extra)
    require(escrow.dispute.dispute_id == str(number), "The service names another dispute than the terms do.")
    return number


def check_case(case: models.Case, number: int, chain: Chain) -> EscrowTerms:
    """Check that a case is what dispute `number` is about; return the agreed terms. Raises Mismatch.

    The number names the escrow and its parties, the escrow id the terms, these the task document, and the hashes the
    result and the statements. That the chain has the hashes of the result and of the buyer's statement is the service's
    word.
    """
    terms = terms_message(case.terms)
    require(escrow_id(terms, chain.escrow) == case.escrow_id, "The escrow id does not match the terms.")
    extra = dispute_extra(case.escrow_id, terms)
    asked = dispute_id(chain.chain_id, chain.contracts.arbiter, chain.contracts.escrow, extra)
    require(asked == number and case.dispute_id == str(number), "This is another dispute.")
    require((terms.client, terms.provider) == (case.buyer, case.agent), "The terms name other parties.")
    require(task_hash(case.document) == case.task_hash, "The task document does not match its hash.")
    require(
        terms.job_hash == job_hash(case.task_hash, case.bid_hash, case.bids_root), "The terms commit to another job."
    )
    listed = [file.entry().to_json() for file in case.input_files]
    require(listed == case.document.get("input_files"), "The input files are not those of the task document.")
    if case.deliverable is not None:
        found = case.deliverable.manifest
        digest = deliverable_hash(manifest([file.entry() for file in found.files], found.salt))
        require(digest == case.deliverable_hash, "The result is not the one on chain.")
    for said in case.dispute.evidence:
        check_statement(said, case.escrow_id, terms, case.dispute.evidence_hash)
    return terms


def split_message(escrow_id: bytes, offer: models.SplitOffer) -> Split:
    """Return the EIP-712 message of an offer."""
    return Split(
        escrow_id=escrow_id,
        to_provider=offer.to_provider_units,
        to_client=offer.to_client_units,
        valid_until=offer.valid_until,
    )


def check_offer(offer: models.SplitOffer, deal: models.Deal, us: bytes, chain: Chain) -> Split:
    """Return the split to sign for an offer of the other side that is open and divides exactly what is left."""
    terms, escrow = escrow_of(deal, chain)
    others = {terms.client, terms.provider} - {us}
    require(us in {terms.client, terms.provider}, "We are no party of this deal.")
    require(offer.offered_by in others, "The offer is not the other side's.")
    if offer.state != "open":
        raise NotDue(f"The offer is {offer.state}. Nothing was signed.")
    message = split_message(escrow.escrow_id, offer)
    require(
        offer.to_provider_units + offer.to_client_units == escrow.left_units, "The offer does not divide what is left."
    )
    now = chain.now()
    if not now < offer.valid_until <= now + MAX_OFFER_SECONDS:
        raise NotDue("The offer is over, or binds for longer than a week. Nothing was signed.")
    require(
        signed_by(message.digest(chain.escrow), offer.signature, offer.offered_by),
        "The offer is not signed by the side it names.",
    )
    return message


def joinable(
    escrow: models.EscrowSide, terms: EscrowTerms, us: bytes, cumulative: int, chain: Chain
) -> models.ReleaseSignature | None:
    """Return the other role's valid signature of the same total that lasts longest, None if there is none."""
    now, found = chain.now(), []
    for one in escrow.release_signatures:
        other = {"agent": terms.provider, "verifier": terms.verifier}.get(one.role)
        message = Release(
            escrow_id=escrow.escrow_id,
            cumulative_released=one.cumulative_released_units,
            valid_until=one.valid_until,
        )
        if (
            one.signer == other != us
            and one.cumulative_released_units == cumulative
            and now < one.valid_until <= now + MAX_OFFER_SECONDS
            and signed_by(message.digest(chain.escrow), one.signature, one.signer)
        ):
            found.append(one)
    return max(found, key=lambda one: one.valid_until, default=None)
