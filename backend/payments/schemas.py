"""Pools, vouchers, orders and receipts on the wire."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import Field

from backend.api.types import (
    AddressText,
    BytesText,
    ChainRef,
    HashText,
    Model,
    PoolNonce,
    SignatureText,
    UnitsText,
    UnixTime,
    UtcTime,
)
from backend.wallet.schemas import IntentOut


class PoolDepositIn(Model):
    """Arguments of `depositPoolWithAuthorization`; payer is the session. nonce = keccak256(abi.encode(poolId,salt))."""

    payer_authorizer: AddressText
    operator: AddressText
    amount_units: UnitsText
    valid_after: UnixTime = 0
    valid_before: UnixTime
    salt: HashText
    signature: SignatureText


class PoolWithdrawIn(Model):
    """`PoolWithdraw(poolId,amount,cancel,nonce,validUntil)` by the payer."""

    amount_units: UnitsText
    cancel: bool = False
    nonce: PoolNonce
    valid_until: UnixTime
    signature: SignatureText


class PoolMoveIn(Model):
    """A withdrawal from one pool and the deposit into another that follows it, both signed by the payer."""

    withdrawal: PoolWithdrawIn
    deposit: PoolDepositIn
    """Good for longer than the longest wait for the withdrawal."""


class PoolMoveOut(Model):
    """Where a pool on its way to another operator stands."""

    pool_id: HashText
    nonce: int
    target_pool_id: HashText
    operator: AddressText
    amount_units: UnitsText
    state: Literal["withdrawing", "depositing", "ended"]
    """`depositing` once the withdrawal is paid: the deposit's own state says the rest."""
    ended_reason: str | None
    """Why there is no deposit; what was withdrawn is in the payer's wallet."""
    withdrawal: IntentOut
    deposit: IntentOut | None


class PoolOut(Model):
    """A pool: the chain's word on its balance and ours on what is promised from it."""

    pool_id: HashText
    payer: AddressText
    payer_authorizer: AddressText
    operator: AddressText
    balance_latest_units: UnitsText
    balance_final_units: UnitsText
    pending_withdraw_units: UnitsText
    finalize_at: UnixTime | None
    nonce: int
    reserved_units: UnitsText
    earned_units: UnitsText
    claimed_units: UnitsText
    available_units: UnitsText
    channels: list[ChannelOut]
    chain: ChainRef | None
    operator_serves: bool
    """Whether it takes new orders; a pool of another operator is moved, or withdrawn."""
    warn_below_units: UnitsText | None
    """Its payer is told when less is free."""


class PoolWarningIn(Model):
    """When the payer wants to be told that little is free in a pool; null for never."""

    below_units: Annotated[UnitsText, Field(gt=0)] | None


class ChannelOut(Model):
    """One agent's channel in a pool."""

    channel_id: HashText
    pool_id: HashText
    receiver: AddressText
    receiver_name: str | None
    ceiling_units: UnitsText
    in_flight_units: UnitsText
    earned_units: UnitsText
    claimed_units: UnitsText


class VoucherIn(Model):
    """`Voucher(channelId,maxClaimableAmount)` by the session key: a cumulative ceiling."""

    max_claimable_units: UnitsText
    signature: SignatureText


class OrderOut(Model):
    """An accepted order."""

    order_hash: HashText
    channel_id: HashText
    bid_hash: HashText
    price_units: UnitsText
    deliver_by: UnixTime
    evaluate_by: UnixTime
    payer_authorizer: AddressText
    signature: BytesText
    state: Literal["reserved", "delivered", "earned", "void"]
    verdict_accepted: bool | None
    verdict_reason: int | None


class ConfigOut(Model):
    """The channel's ChannelConfig."""

    payer: AddressText
    payer_authorizer: AddressText
    receiver: AddressText
    receiver_authorizer: AddressText
    token: AddressText
    withdraw_delay: int
    salt: HashText


class ClaimWishOut(Model):
    """An agent's wish that a channel is claimed now: taken, and carried out with the next batch."""

    channel_id: HashText
    unclaimed_units: UnitsText
    asked_at: UtcTime


class AcknowledgeIn(Model):
    """Receipts that the agent has stored."""

    receipt_ids: list[uuid.UUID] = Field(min_length=1, max_length=500)


class AcknowledgedOut(Model):
    """How many of them are the agent's and are now noted as stored."""

    acknowledged: int


class ReceiptOut(Model):
    """Exactly what `claimWithSignature` takes; its holder can claim with nobody's help."""

    id: uuid.UUID
    channel_id: HashText
    order_hash: HashText | None
    """Absent, like the deal, where the receipt covers payments without an order."""
    deal_id: uuid.UUID | None
    config: ConfigOut
    max_claimable_units: UnitsText
    voucher_signature: BytesText
    total_claimed_units: UnitsText
    operator_signature: BytesText
    price_units: UnitsText
    acknowledged: bool
    claimed: bool
    """The chain's total for the channel has reached this receipt (final)."""
    created_at: UtcTime


PoolOut.model_rebuild()
