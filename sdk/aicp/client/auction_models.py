"""What the service says of tasks, bids, offers and awards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from aicp.client.files import StoredFile
from aicp.client.wire import Address, Hash, Model, Signature, Units
from aicp.rules.route import Path


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
