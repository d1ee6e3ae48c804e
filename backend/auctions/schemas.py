"""Bids and awards on the wire."""

from __future__ import annotations

import uuid

from pydantic import Field

from backend.api.types import AddressText, BytesText, HashText, Model, SignatureText, UnitsText, UnixTime, UtcTime


class BidIn(Model):
    """The fields of `Bid(taskHash,agent,amount,etaSeconds,escrowOnly,validUntil,salt)` and its signature."""

    amount_units: UnitsText
    eta_seconds: int = Field(ge=1, lt=2**32)
    escrow_only: bool = False
    valid_until: UnixTime
    salt: HashText
    signature: SignatureText


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


class BidWithdrawalIn(Model):
    """`BidWithdrawal(bidHash)` by the agent."""

    signature: SignatureText


class AwardIn(Model):
    """The bid the buyer chooses."""

    bid_hash: HashText


class AwardOut(Model):
    """`Award(taskHash,bidHash,bidsRoot,bidCount)` signed by the operator, and the deal it made."""

    task_hash: HashText
    bid_hash: HashText
    bids_root: HashText
    bid_count: int
    operator: AddressText
    signature: BytesText
    deal_id: uuid.UUID
