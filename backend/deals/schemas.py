"""Deals: what was agreed, how it is paid, and what each side does next."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import Field

from aicp.rules.primitives import Finality
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
from backend.auctions.schemas import AwardOut, BidOut
from backend.deals.dispute_schemas import DisputeOut, RatingOut, ReleaseSignatureOut, SplitOfferOut
from backend.domain.task_states import TaskState
from backend.files.schemas import FileOut, Manifest
from backend.payments.schemas import OrderOut, VoucherIn
from backend.tasks.schemas import Path


class TermsOut(Model):
    """The contract's Terms struct, in the order of its EIP-712 type."""

    client: AddressText
    provider: AddressText
    verifier: AddressText
    arbiter: AddressText
    amount_units: UnitsText
    fee_bps: int
    quorum: int
    accept_by: UnixTime
    deliver_by: UnixTime
    challenge_period: int
    dispute_timeout: int
    job_hash: HashText
    salt: HashText


class EscrowOut(Model):
    """The escrow side of a deal: the agreed terms and what the chain says of them."""

    escrow_id: HashText
    terms: TermsOut
    acceptance_due: UnixTime
    """Until when the agent may sign the acceptance."""
    acceptance_valid_until: UnixTime | None
    acceptance_signature: BytesText | None
    authorization_valid_before: UnixTime | None
    """Set once the buyer has signed the payment."""
    payable_until: UnixTime | None
    """The latest `validBefore` that would be accepted now: min(now + 15 min, acceptance, acceptBy)."""
    chain_status: Literal["none", "funded", "accepted", "submitted", "challenged", "disputed", "ruled", "closed"]
    released_units: UnitsText
    refunded_units: UnitsText
    challenge_ends_at: UnixTime | None
    deliverable_hash: HashText | None
    """What the agent has submitted, by the mirror; a result shown beside it is the one of this hash."""
    outcome: str | None
    quorum: int
    """How many of buyer, agent and verifier release together; never the agent alone."""
    verifier: AddressText | None
    dispute_fee_units: UnitsText | None
    """What a bond costs now: the arbiter's fee; null while it is not known or there is no arbiter."""
    arbiter_can_rule: bool | None
    """Whether the arbiter has enough jurors now; null while it is not known."""
    dispute: DisputeOut | None
    split_offers: list[SplitOfferOut]
    release_signatures: list[ReleaseSignatureOut]
    ratings: list[RatingOut]
    chain: ChainRef | None


class ChannelSideOut(Model):
    """The channel side of a deal: which pool and channel pay it, and what the session key must sign."""

    pool_id: HashText | None
    """The buyer's pool that can pay; null while there is none."""
    channel_id: HashText | None
    earned_units: UnitsText
    in_flight_units: UnitsText
    ceiling_units: UnitsText
    """The highest voucher we hold for this channel."""
    need_units: UnitsText
    """earned + in flight + price: a voucher at least this high must exist."""
    available_units: UnitsText
    order: OrderOut | None


class DeliverableOut(Model):
    """What the agent handed in."""

    deliverable_hash: HashText
    manifest: Manifest
    signature: BytesText
    files: list[FileOut]
    created_at: UtcTime


class Action(Model):
    """Something the reader may do now, or why not."""

    name: Literal[
        "accept",
        "pay",
        "order",
        "start",
        "deliver",
        "release",
        "verdict",
        "refund",
        "return",
        "cancel",
        "collect",
        "dispute",
        "respond",
        "split",
        "sign_release",
        "rate",
        "wait",
    ]
    who: Literal["buyer", "agent", "verifier"]
    allowed: bool
    reason: str
    due: UtcTime | None = None
    if_nobody_acts: str | None = None


class IntentRef(Model):
    """The relayed transaction of the last step."""

    id: uuid.UUID
    kind: str
    state: str
    tx_hash: HashText | None
    error_code: str | None


class DealOut(Model):
    """One deal, for its two parties and its verifier."""

    id: uuid.UUID
    task_id: uuid.UUID
    task_hash: HashText
    title: str
    path: Path
    state: TaskState
    public_state: str
    buyer: AddressText
    agent: AddressText
    agent_name: str | None
    verifier: AddressText | None
    price_units: UnitsText
    fee_units: UnitsText
    currency: Literal["USDC"] = "USDC"
    live: bool
    current: bool
    """Whether the task's state is that of this deal: false once the task has gone on without it."""
    ended_reason: str | None
    bid: BidOut
    award: AwardOut
    description: str
    document: dict[str, Any]
    """The task document, so that both sides can recompute its hash."""
    input_files: list[FileOut]
    escrow: EscrowOut | None
    channel: ChannelSideOut | None
    deliverable: DeliverableOut | None
    actions: list[Action]
    last_intent: IntentRef | None
    created_at: UtcTime


class DealSummary(Model):
    """A row of a party's list of deals."""

    id: uuid.UUID
    task_id: uuid.UUID
    title: str
    path: Path
    state: TaskState
    public_state: str
    buyer: AddressText
    agent: AddressText
    verifier: AddressText | None
    price_units: UnitsText
    live: bool
    current: bool
    """Whether the task's state is that of this deal: false once the task has gone on without it."""
    created_at: UtcTime


class TimelineItem(Model):
    """One line of the deal's history, from the app or from the chain."""

    at: UtcTime
    source: Literal["app", "chain"]
    kind: str
    sentence: str
    fields: dict[str, Any]
    chain: ChainRef | None = None
    finality: Finality | None = None


class AcceptanceIn(Model):
    """`Acceptance(escrowId,validUntil)` by the agent."""

    escrow_id: HashText
    valid_until: UnixTime
    signature: SignatureText


class AuthorizationIn(Model):
    """ERC-3009 `ReceiveWithAuthorization` by the buyer: to Escrow, value amount, validAfter 0, nonce escrow id."""

    escrow_id: HashText
    valid_before: UnixTime
    signature: SignatureText


class SubmissionIn(Model):
    """`Submission(escrowId,deliverableHash,validUntil)` by the agent, with the manifest the hash commits to."""

    escrow_id: HashText
    manifest: Manifest
    valid_until: UnixTime
    signature: SignatureText


class ReleaseIn(Model):
    """`Release(escrowId,cumulativeReleased,validUntil)` by the buyer."""

    escrow_id: HashText
    cumulative_released_units: UnitsText
    valid_until: UnixTime
    signature: SignatureText


class RefundIn(Model):
    """`Refund(escrowId,cumulativeRefunded,validUntil)` by the agent."""

    escrow_id: HashText
    cumulative_refunded_units: UnitsText
    valid_until: UnixTime
    signature: SignatureText


class CancellationIn(Model):
    """`Cancellation(escrowId,validUntil)` by the buyer, for a funded escrow nobody accepted."""

    escrow_id: HashText
    valid_until: UnixTime
    signature: SignatureText


class OrderIn(Model):
    """`MicroOrder(...)` by the session key, with a voucher where the ceiling must rise."""

    payer_authorizer: AddressText
    """The session key; with buyer and operator it names the pool."""
    price_units: UnitsText
    deliver_by: UnixTime
    evaluate_by: UnixTime
    signature: SignatureText
    voucher: VoucherIn | None = None


class DeliveryIn(Model):
    """`MicroDelivery(orderHash,deliverableHash)` by the agent."""

    manifest: Manifest
    signature: SignatureText


class VerdictIn(Model):
    """`MicroVerdict(orderHash,deliverableHash,accepted,reason)` by the session key; reason 0 when accepted."""

    deliverable_hash: HashText
    accepted: bool
    reason: int = Field(default=0, ge=0, le=255)
    signature: SignatureText


class ReturnIn(Model):
    """`MicroReturn(orderHash)` by the agent who gives the work back."""

    signature: SignatureText
