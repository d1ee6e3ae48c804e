"""What the service says of deals: agreed terms, either side's payment, the result, and the case a juror reads."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from aicp.client.auction_models import Award, Bid
from aicp.client.dispute_models import Dispute, Rating, ReleaseSignature, SplitOffer
from aicp.client.files import Manifest, StoredFile
from aicp.client.wire import Address, Hash, Model, Signature, Units
from aicp.rules.route import Path


class Route(Model):
    path: Path
    reason: str
    fee_units: Units
    required_stake_units: Units


class Terms(Model):
    client: Address
    provider: Address
    verifier: Address
    arbiter: Address
    amount_units: Units
    fee_bps: int
    quorum: int
    accept_by: int
    deliver_by: int
    challenge_period: int
    dispute_timeout: int
    job_hash: Hash
    salt: Hash


class EscrowSide(Model):
    """The agreed terms of a deal and what the chain says of them. Times are unix seconds."""

    escrow_id: Hash
    terms: Terms
    acceptance_due: int
    acceptance_valid_until: int | None
    acceptance_signature: Signature | None
    authorization_valid_before: int | None
    payable_until: int | None
    chain_status: Literal["none", "funded", "accepted", "submitted", "challenged", "disputed", "ruled", "closed"]
    released_units: Units
    refunded_units: Units
    challenge_ends_at: int | None
    deliverable_hash: Hash | None
    outcome: str | None
    quorum: int
    verifier: Address | None
    dispute_fee_units: Units | None
    """What a bond costs now; None while the service does not know or there is no arbiter."""
    arbiter_can_rule: bool | None
    dispute: Dispute | None
    split_offers: list[SplitOffer]
    release_signatures: list[ReleaseSignature]
    ratings: list[Rating]

    @property
    def left_units(self) -> int:
        """What neither side has got yet."""
        return self.terms.amount_units - self.released_units - self.refunded_units


class Order(Model):
    order_hash: Hash
    channel_id: Hash
    bid_hash: Hash
    price_units: Units
    deliver_by: int
    evaluate_by: int
    payer_authorizer: Address
    signature: Signature
    state: Literal["reserved", "delivered", "earned", "void"]
    verdict_accepted: bool | None
    verdict_reason: int | None


class ChannelSide(Model):
    """Which pool and channel pay a deal, and how far its vouchers reach."""

    pool_id: Hash | None
    channel_id: Hash | None
    earned_units: Units
    in_flight_units: Units
    ceiling_units: Units
    need_units: Units
    available_units: Units
    order: Order | None


class Deliverable(Model):
    deliverable_hash: Hash
    manifest: Manifest
    signature: Signature
    files: list[StoredFile]


class Action(Model):
    """Something the reader may do now, or why not."""

    name: str
    who: str
    allowed: bool
    reason: str
    due: dt.datetime | None = None
    if_nobody_acts: str | None = None


class IntentRef(Model):
    id: uuid.UUID
    kind: str
    state: str
    tx_hash: Hash | None
    error_code: str | None


class Deal(Model):
    """One deal, for its two parties."""

    id: uuid.UUID
    task_id: uuid.UUID
    task_hash: Hash
    title: str
    path: Path
    state: str
    public_state: str
    buyer: Address
    agent: Address
    agent_name: str | None
    verifier: Address | None
    price_units: Units
    fee_units: Units
    live: bool
    current: bool
    """Whether the task's state is that of this deal: false once the task has gone on without it."""
    ended_reason: str | None
    bid: Bid
    award: Award
    description: str
    document: dict[str, Any]
    input_files: list[StoredFile]
    escrow: EscrowSide | None
    channel: ChannelSide | None
    deliverable: Deliverable | None
    actions: list[Action]
    last_intent: IntentRef | None
    created_at: dt.datetime

    def allows(self, name: str, who: Literal["buyer", "agent", "verifier"]) -> bool:
        """Return whether the service says that this side may act so now."""
        return any(action.name == name and action.who == who and action.allowed for action in self.actions)


class Case(Model):
    """A dispute as a juror reads it. Check it with `aicp.client.verify_dispute.check_case` before judging by it."""

    dispute_id: str
    deal_id: uuid.UUID
    title: str
    buyer: Address
    agent: Address
    escrow_id: Hash
    terms: Terms
    task_hash: Hash
    document: dict[str, Any]
    bid_hash: Hash
    bids_root: Hash
    input_files: list[StoredFile]
    deliverable_hash: Hash | None
    deliverable: Deliverable | None
    dispute: Dispute

    def files(self) -> list[tuple[str, StoredFile]]:
        """Return every file of the case, each with whose it is: `task`, `result`, `buyer` or `agent`."""
        results = [] if self.deliverable is None else self.deliverable.manifest.files
        said = [(one.role, file) for one in self.dispute.evidence for file in one.files]
        return [*(("task", file) for file in self.input_files), *(("result", file) for file in results), *said]


class DealSummary(Model):
    id: uuid.UUID
    task_id: uuid.UUID
    title: str
    path: Path
    state: str
    public_state: str
    buyer: Address
    agent: Address
    verifier: Address | None
    price_units: Units
    live: bool
    current: bool
    created_at: dt.datetime
