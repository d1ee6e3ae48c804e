"""What the service answers, as the SDK reads it.

Unknown fields are ignored, so that a newer service keeps working with an older SDK; a missing or malformed field is an
error, never a default that could be signed. Amounts are base units, addresses and hashes bytes, times aware UTC.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from aicp.client.dispute_models import Dispute, Evidence, Rating, ReleaseSignature, SplitOffer
from aicp.client.files import Manifest, StoredFile
from aicp.client.wallet_models import Balances, Intent, Owed
from aicp.client.wire import Address, Hash, Model, Signature, Units
from aicp.rules.route import Path

__all__ = [
    "Balances",
    "Dispute",
    "Evidence",
    "Intent",
    "Manifest",
    "Owed",
    "Rating",
    "ReleaseSignature",
    "SplitOffer",
    "StoredFile",
]


class BuyerRecord(Model):
    """How a buyer has judged results that were paid from a pool."""

    decided: int
    rejected: int
    rejected_bps: int


class Task(Model):
    """A task as everybody may see it; `description` and `document` only for its parties."""

    id: uuid.UUID
    buyer: Address
    task_hash: Hash
    title: str
    capability: str
    complexity: int
    urgency: str
    budget_units: Units
    escrow_only: bool
    path_at_budget: Path
    deliver_within_seconds: int
    auction_ends_at: dt.datetime
    state: str
    public_state: str
    bid_count: int
    best_bid_units: Units | None
    deal_id: uuid.UUID | None
    created_at: dt.datetime
    verifier: Address | None
    input_summary: list[StoredFile]
    award_weights: dict[str, int] | None = None
    """With weights the published rule awards; without, the buyer chooses."""
    reserve_units: Units | None = None
    buy_now_units: Units | None = None
    instant: bool = False
    """The scheduler offers it to one agent at a time; nobody else may bid."""
    waits_for: str | None = None
    """Why the scheduler asks nobody yet: pool_short, buyer_full or left_unpaid; None where it is not the buyer."""
    reveal_ends_at: dt.datetime | None = None
    """Until when sealed bids are shown; None where bids are open."""
    buyer_record: BuyerRecord | None = None
    description: str | None = None
    document: dict[str, Any] | None = None


class Route(Model):
    path: Path
    reason: str
    fee_units: Units
    required_stake_units: Units


class Sealed(Model):
    """What ties a bid that was shown to the sealed one, whose hash is the bid's."""

    commitment: Hash
    signature: Signature
    reveal_receipt_signature: Signature


class Bid(Model):
    """A received bid with the operator's receipt."""

    bid_hash: Hash
    agent: Address
    agent_name: str | None
    amount_units: Units
    eta_seconds: int
    escrow_only: bool
    valid_until: int
    salt: Hash
    signature: Signature
    seq: int
    receipt_signature: Signature
    operator: Address
    received_at: dt.datetime
    withdrawn: bool
    live: bool
    withdrawal_signature: Signature | None = None
    sealed: Sealed | None = None


class Commit(Model):
    """A sealed bid with the operator's receipt."""

    bid_hash: Hash
    agent: Address
    commitment: Hash
    valid_until: int
    signature: Signature
    seq: int
    receipt_signature: Signature
    operator: Address
    revealed: bool
    withdrawn: bool
    withdrawal_signature: Signature | None
    live: bool


class TaskOrder(Model):
    """A buyer's signed order over the buy-now price."""

    order_hash: Hash
    max_units: Units
    valid_until: int
    salt: Hash
    signature: Signature
    created_at: dt.datetime


class RefusedAgent(Model):
    """The best of the agents that the scheduler has refused for one reason."""

    agent: Address
    agent_name: str | None
    why: str
    points_bps: int


class TaskOffer(Model):
    """A task that the scheduler has offered to one agent: why to it, and the answer, None while it waits."""

    task_id: uuid.UUID
    agent: Address
    agent_name: str | None
    max_units: Units
    why: str
    points_bps: int
    refused: list[RefusedAgent]
    offered_at: dt.datetime
    answer_until: dt.datetime
    answer: Literal["bid", "declined", "silent", "void"] | None
    bid_hash: Hash | None


class Award(Model):
    """Which bid won, among exactly which bids, signed by the operator."""

    task_hash: Hash
    bid_hash: Hash
    bids_root: Hash
    bid_count: int
    operator: Address
    signature: Signature
    deal_id: uuid.UUID
    decided_by: Literal["buyer", "rule", "order"] = "buyer"


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


class Channel(Model):
    channel_id: Hash
    pool_id: Hash
    receiver: Address
    receiver_name: str | None
    ceiling_units: Units
    in_flight_units: Units
    earned_units: Units
    claimed_units: Units


class ChainRef(Model):
    """Where on the chain a statement comes from."""

    block_number: int


class Pool(Model):
    """A buyer's deposit for small payments. `chain` is its last event in the newest block known."""

    pool_id: Hash
    payer: Address
    payer_authorizer: Address
    operator: Address
    balance_latest_units: Units
    balance_final_units: Units
    pending_withdraw_units: Units
    finalize_at: int | None
    nonce: int
    reserved_units: Units
    earned_units: Units
    claimed_units: Units
    available_units: Units
    channels: list[Channel]
    chain: ChainRef
    operator_serves: bool = True
    """Whether it takes new orders; a pool of another operator is moved, or withdrawn."""


class Config(Model):
    payer: Address
    payer_authorizer: Address
    receiver: Address
    receiver_authorizer: Address
    token: Address
    withdraw_delay: int
    salt: Hash


class Receipt(Model):
    """Exactly what `claimWithSignature` takes; its holder can claim with nobody's help."""

    id: uuid.UUID
    channel_id: Hash
    order_hash: Hash | None
    """Absent, like the deal, where the receipt covers payments without an order."""
    deal_id: uuid.UUID | None
    config: Config
    max_claimable_units: Units
    voucher_signature: Signature
    total_claimed_units: Units
    operator_signature: Signature
    price_units: Units
    acknowledged: bool
    claimed: bool
    created_at: dt.datetime


class Suspension(Model):
    """Why and since when an agent may not bid."""

    reason: str
    since: dt.datetime


class AgentProfile(Model):
    address: Address
    slug: str
    name: str
    description: str
    capabilities: list[str]
    task_types: list[str]
    industry: str | None
    region: str | None
    price_floor_units: Units
    capacity: int
    endpoint: str | None
    available: bool
    running_tasks: int
    completed_tasks: int
    failed_tasks: int
    success_rate_bps: int
    success_rate_measured: bool
    response_ms: int
    response_measured: bool
    score: int
    score_epoch: int | None
    multiplier_bps: int
    suspension: Suspension | None
    staked_units: Units
    stake_free_units: Units
    registered_at: dt.datetime
    updated_at: int | None


class SignedVouch(Model):
    """What an agent has signed for another one; check it with `check_vouch`."""

    vouch_hash: Hash
    voucher: Address
    voucher_name: str | None
    agent: Address
    at_risk_units: Units
    valid_from: int
    valid_until: int
    salt: Hash
    signature: Signature
    open: bool


class EpochLeaf(Model):
    """An agent's score in an epoch, hundredths."""

    agent: Address
    score: int
    settled_value_units: Units
    jobs: int


class EpochFile(Model):
    """The published scores of an epoch; their root is anchored."""

    epoch: int
    leaves: list[EpochLeaf]


class Event(Model):
    """A message of the event stream; what it is about is read over REST."""

    type: str
    seq: int
    task_id: uuid.UUID | None = None
    deal_id: uuid.UUID | None = None
    receipt_id: uuid.UUID | None = None
    intent_id: uuid.UUID | None = None
    capability: str | None = None
    state: str | None = None
    offer: TaskOffer | None = None
    gap: bool = False
    """Only in `hello`: events were missed and must be caught up over REST."""
