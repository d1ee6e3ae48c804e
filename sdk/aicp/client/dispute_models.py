"""What the service answers about disputes, offers to divide, signatures of a release, and ratings.

Times named `_at`, `_by` and `_until` are unix seconds of the chain, except the aware `created_at`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

from aicp.client.files import StoredFile
from aicp.client.wire import Address, Hash, Model, Signature, Units

Party = Literal["buyer", "agent"]


class Evidence(Model):
    """What a party says. Recompute its hash with `aicp.client.verify_dispute.check_evidence` before trusting it."""

    party: Address
    role: Party
    claim: str
    files: list[StoredFile]
    salt: Hash
    hash: Hash
    created_at: dt.datetime


class Round(Model):
    """A panel of jurors, its votes by seats, and what was paid in for an appeal against it."""

    number: int
    seats: int
    drawn: int
    committed: int
    neither_votes: int
    buyer_votes: int
    agent_votes: int
    buyer_appeal_units: Units
    agent_appeal_units: Units


class AppealSide(Model):
    """A side of an appeal; what is missing can be paid by anybody until `payable_until`."""

    role: Party
    required_units: Units
    paid_units: Units
    missing_units: Units
    payable_until: int | None


class Appeal(Model):
    """The appeal that can be paid for now, against a round and what its votes say."""

    round: int
    verdict: Literal["neither", "buyer", "agent"]
    cost_units: Units
    challenge_by: int
    ends_at: int
    challenged: bool
    sides: list[AppealSide]


class Dispute(Model):
    """The dispute of an escrow. `bond_units` goes to the winner; `arbiter_fee_units` is 0 until it was answered."""

    arbiter: Address
    arbiter_fee_units: Units
    bond_units: Units
    evidence_hash: Hash
    raised_at: int
    respond_by: int
    responded_at: int | None
    dispute_id: str | None
    arbiter_period: Literal["evidence", "drawing", "commit", "reveal", "appeal", "solved"] | None
    arbiter_period_at: int | None
    arbiter_period_ends_at: int | None
    arbiter_round: int | None
    verdict: Literal["neither", "buyer", "agent"] | None
    """What the votes say so far; an appeal may change it."""
    rounds: list[Round]
    appeal: Appeal | None
    buyer_credit_units: Units
    """What lies at the arbiter for the buyer to withdraw, of all disputes."""
    agent_credit_units: Units
    ruling: Literal["neither", "buyer", "agent"] | None
    decide_by: int | None
    outcome: str | None
    evidence: list[Evidence]


class SplitOffer(Model):
    """A signed offer to divide what is left."""

    id: uuid.UUID
    offered_by: Address
    role: Party
    to_provider_units: Units
    to_client_units: Units
    valid_until: int
    state: Literal["open", "replaced", "accepted", "lapsed"]
    signature: Signature
    created_at: dt.datetime


class ReleaseSignature(Model):
    """A role's signature of a release up to a total; another role joins by the same total and time."""

    role: Literal["buyer", "agent", "verifier"]
    signer: Address
    cumulative_released_units: Units
    valid_until: int
    signature: Signature
    created_at: dt.datetime


class Rating(Model):
    """One side's rating of the other, 0 to 100."""

    rater: Address
    ratee: Address
    role: Party
    score: int
    comment: str | None
    comment_hash: Hash
    settled_units: Units
