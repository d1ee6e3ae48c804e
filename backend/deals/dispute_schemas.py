"""What the two sides of an escrow sign and say when they disagree, divide, let a third sign, and rate each other."""

from __future__ import annotations

import uuid
from typing import Literal

from pydantic import Field

from backend.api.types import (
    AddressText,
    BytesText,
    ChainRef,
    HashText,
    Model,
    SignatureText,
    UnitsText,
    UnixTime,
    UtcTime,
)
from backend.files.schemas import ManifestFile

Party = Literal["buyer", "agent"]


class EvidenceOut(Model):
    """What a party says in a dispute; `hash` commits to escrow, party, claim, files and salt."""

    party: AddressText
    role: Party
    claim: str
    files: list[ManifestFile]
    salt: HashText
    hash: HashText
    created_at: UtcTime


Ruling = Literal["neither", "buyer", "agent"]


class RoundOut(Model):
    """A panel of jurors and its votes, counted by seats."""

    number: int
    """0 for the first panel, higher after appeals."""
    seats: int
    drawn: int
    committed: int
    neither_votes: int
    buyer_votes: int
    agent_votes: int
    buyer_appeal_units: UnitsText
    """What was paid in for the buyer's side of an appeal against this round."""
    agent_appeal_units: UnitsText


class AppealSideOut(Model):
    """A side of an appeal. What is missing can be paid by anybody until `payable_until`; null where nothing is."""

    role: Party
    required_units: UnitsText
    paid_units: UnitsText
    missing_units: UnitsText
    payable_until: UnixTime | None


class AppealOut(Model):
    """The appeal that can be paid for now. The next panel sits when both sides have paid.

    If no side the votes are against has paid by `challenge_by`, the verdict stands. If one has, the other side has
    until `ends_at`, and loses by not paying.
    """

    round: int
    """The round it is against."""
    verdict: Ruling
    cost_units: UnitsText
    """What the next panel costs; the winner of the vote pays this, the loser twice."""
    challenge_by: UnixTime
    ends_at: UnixTime
    challenged: bool
    sides: list[AppealSideOut]


class DisputeOut(Model):
    """The dispute of an escrow as the chain has it, with what both sides say."""

    arbiter: AddressText
    arbiter_fee_units: UnitsText
    """What the agent has paid for the arbiter; 0 until he has answered."""
    bond_units: UnitsText
    """What the buyer has put up; it goes to the winner."""
    evidence_hash: HashText
    raised_at: UnixTime
    respond_by: UnixTime
    responded_at: UnixTime | None
    dispute_id: str | None
    """The arbiter's number of it, decimal; null until the agent has answered."""
    arbiter_period: Literal["evidence", "drawing", "commit", "reveal", "appeal", "solved"] | None
    """What the arbiter does, as last written down on chain; null before, and where the arbiter is not ours."""
    arbiter_period_at: UnixTime | None
    arbiter_period_ends_at: UnixTime | None
    """Null where no time ends it."""
    arbiter_round: int | None
    """0 for the first panel, higher after appeals."""
    verdict: Ruling | None
    """What the votes say so far; it can still be appealed. Null before anybody has voted."""
    rounds: list[RoundOut]
    appeal: AppealOut | None
    """Null while nobody can appeal."""
    buyer_credit_units: UnitsText
    """What lies at the arbiter for the buyer to withdraw, of this dispute and others."""
    agent_credit_units: UnitsText
    ruling: Ruling | None
    decide_by: UnixTime | None
    outcome: str | None
    evidence: list[EvidenceOut]


class SplitOfferOut(Model):
    """A signed offer to divide what is left; the other side accepts by signing the same `Split`."""

    id: uuid.UUID
    offered_by: AddressText
    role: Party
    to_provider_units: UnitsText
    to_client_units: UnitsText
    valid_until: UnixTime
    state: Literal["open", "replaced", "accepted", "lapsed"]
    """`lapsed`: its time is over, or its parts are not what is left any more."""
    signature: BytesText
    created_at: UtcTime


class ReleaseSignatureOut(Model):
    """A role's signature of a release up to a total. Another role joins by signing the same total and time."""

    role: Literal["buyer", "agent", "verifier"]
    signer: AddressText
    cumulative_released_units: UnitsText
    valid_until: UnixTime
    signature: BytesText
    created_at: UtcTime


class RatingOut(Model):
    """One side's rating of the other, as the chain has it; the comment where we were given it."""

    rater: AddressText
    ratee: AddressText
    role: Party
    """The rater's side."""
    score: int
    comment: str | None
    comment_hash: HashText
    settled_units: UnitsText
    chain: ChainRef


class EvidenceIn(Model):
    """What a party says: files are uploaded first and named as in a manifest. Hashed with escrow, party and salt."""

    claim: str = Field(min_length=1, max_length=4000)
    files: list[ManifestFile] = Field(default_factory=list, max_length=20)
    salt: HashText


class BondIn(Model):
    """ERC-3009 `ReceiveWithAuthorization` of the arbiter's fee by the party whose bond it is: to Escrow, validAfter 0,
    nonce keccak256(abi.encode(escrowId, "bond", party))."""

    value_units: UnitsText
    valid_before: UnixTime
    signature: SignatureText


class DisputeIn(Model):
    """`Dispute(escrowId,evidenceHash,validUntil)` by the buyer; without `bond` it comes from his escrow balance."""

    escrow_id: HashText
    evidence: EvidenceIn
    evidence_hash: HashText | None = None
    """What the caller has computed, if it wants it compared before its signature is."""
    valid_until: UnixTime
    signature: SignatureText
    bond: BondIn | None = None


class ResponseIn(Model):
    """`Response(escrowId,validUntil)` by the agent; the evidence stays off chain. Bond as in a dispute."""

    escrow_id: HashText
    evidence: EvidenceIn | None = None
    valid_until: UnixTime
    signature: SignatureText
    bond: BondIn | None = None


class AppealPaymentIn(Model):
    """ERC-3009 `ReceiveWithAuthorization` by a party, for its own side of the open appeal: to the arbiter,
    validAfter 0, nonce keccak256(abi.encode(disputeID, round, side, salt)); side 1 is the buyer's, 2 the agent's."""

    escrow_id: HashText
    round: int = Field(ge=0, le=255)
    """The round the appeal is against."""
    amount_units: UnitsText
    """At most what the side is short of."""
    valid_before: UnixTime
    salt: HashText
    signature: SignatureText


class SplitOfferIn(Model):
    """`Split(escrowId,toProvider,toClient,validUntil)` by either party; the parts are all that is left."""

    escrow_id: HashText
    to_provider_units: UnitsText
    to_client_units: UnitsText
    valid_until: UnixTime
    signature: SignatureText


class SplitAcceptanceIn(Model):
    """The other party's signature of the offered `Split`."""

    signature: SignatureText


class ReleaseSignatureIn(Model):
    """`Release(escrowId,cumulativeReleased,validUntil)` by agent or verifier; a buyer's is relayed as a release."""

    escrow_id: HashText
    cumulative_released_units: UnitsText
    valid_until: UnixTime
    signature: SignatureText


class RatingIn(Model):
    """`Rating(escrowId,score,commentHash,validUntil)` by either party; the hash is zero without a comment."""

    escrow_id: HashText
    score: int = Field(ge=0, le=100)
    comment: str = Field(default="", max_length=1000)
    comment_hash: HashText
    """keccak256 of the comment in UTF-8."""
    valid_until: UnixTime
    signature: SignatureText
