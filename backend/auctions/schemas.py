"""Bids and awards on the wire."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import Field

from aicp.abi.typed_data import Bid
from backend.api.types import AddressText, BytesText, HashText, Model, SignatureText, UnitsText, UnixTime, UtcTime


class BidIn(Model):
    """The fields of `Bid(taskHash,agent,amount,etaSeconds,escrowOnly,validUntil,salt)` and its signature."""

    amount_units: UnitsText
    eta_seconds: int = Field(ge=1, lt=2**32)
    escrow_only: bool = False
    valid_until: UnixTime
    salt: HashText
    signature: SignatureText

    def message(self, task_hash: bytes, agent: bytes) -> Bid:
        """Return what the agent has signed."""
        return Bid(
            task_hash=task_hash,
            agent=agent,
            amount=self.amount_units,
            eta_seconds=self.eta_seconds,
            escrow_only=self.escrow_only,
            valid_until=self.valid_until,
            salt=self.salt,
        )


class CommitIn(Model):
    """The fields of `BidCommit(taskHash,commitment,validUntil)` and its signature.

    `commitment` is the digest of the `Bid`.
    """

    commitment: HashText
    valid_until: UnixTime
    signature: SignatureText


class CommitOut(Model):
    """A sealed bid with the operator's `BidReceipt(bidHash,seq)`; what it hides nobody knows until it is shown."""

    bid_hash: HashText
    agent: AddressText
    agent_name: str | None
    commitment: HashText
    valid_until: UnixTime
    signature: BytesText
    seq: int
    receipt_signature: BytesText
    operator: AddressText
    received_at: UtcTime
    revealed: bool
    withdrawn: bool
    withdrawal_signature: BytesText | None
    live: bool
    """May still be shown, or has been, and counts: neither withdrawn, expired, replaced nor kept back too long."""


class SealedOut(Model):
    """What ties a bid that was shown to the sealed one: its `bid_hash` is the digest of this `BidCommit`."""

    commitment: HashText
    signature: BytesText
    """The agent's, of `BidCommit(taskHash,commitment,validUntil)`; the time is that of the bid."""
    reveal_receipt_signature: BytesText
    """The operator's `BidReceipt(commitment,seq)`: the bid was shown in time."""


class BidOut(Model):
    """A received bid with the operator's `BidReceipt(bidHash,seq)`."""

    bid_hash: HashText
    agent: AddressText
    agent_name: str | None
    amount_units: UnitsText
    eta_seconds: int
    escrow_only: bool
    valid_until: UnixTime
    salt: HashText
    signature: BytesText
    seq: int
    receipt_signature: BytesText
    operator: AddressText
    received_at: UtcTime
    withdrawn: bool
    live: bool
    """Counts for the award now: neither withdrawn, expired nor replaced by a later bid of the same agent."""
    withdrawal_signature: BytesText | None = None
    """The agent's `BidWithdrawal`: without it a bid that an award leaves out was left out wrongly."""
    sealed: SealedOut | None = None
    """Absent where bids are open."""


class BidWithdrawalIn(Model):
    """`BidWithdrawal(bidHash)` by the agent."""

    signature: SignatureText


class AwardIn(Model):
    """The bid the buyer chooses; none leaves it to the published rule, where the task names weights."""

    bid_hash: HashText | None = None


class TaskOrderIn(Model):
    """The fields of `TaskOrder(taskHash,buyer,maxAmount,validUntil,salt)` and the buyer's signature."""

    max_units: UnitsText
    valid_until: UnixTime
    salt: HashText
    signature: SignatureText


class TaskOrderOut(Model):
    """A buyer's signed order, by which a bid up to its price wins without asking him again."""

    order_hash: HashText
    max_units: UnitsText
    valid_until: UnixTime
    salt: HashText
    signature: BytesText
    created_at: UtcTime


class AwardRecordOut(Model):
    """How the rule awarded: its inputs, points and winner, and the operator's `AwardInputs` over their hash."""

    record: dict[str, Any]
    """See docs/Rules.md, awards by the rule; `aicp award verify` computes it again."""
    operator: AddressText
    signature: BytesText


class AwardOut(Model):
    """`Award(taskHash,bidHash,bidsRoot,bidCount)` signed by the operator, and the deal it made."""

    task_hash: HashText
    bid_hash: HashText
    bids_root: HashText
    bid_count: int
    operator: AddressText
    signature: BytesText
    deal_id: uuid.UUID
    decided_by: Literal["buyer", "rule", "order"] = "buyer"
    """Who chose: the buyer, the rule (see the award's record), or the buyer beforehand by a signed `TaskOrder`."""
