"""What the service says of pools, their channels and receipts, of pools that move and of claims that were asked for."""

from __future__ import annotations

import datetime as dt
import uuid

from aicp.client.wallet_models import Intent
from aicp.client.wire import Address, Hash, Model, Signature, Units


class ChainRef(Model):
    """Where on the chain a statement comes from."""

    block_number: int


class Channel(Model):
    channel_id: Hash
    pool_id: Hash
    receiver: Address
    receiver_name: str | None
    ceiling_units: Units
    in_flight_units: Units
    earned_units: Units
    claimed_units: Units


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


class PoolMove(Model):
    """A pool on its way to another operator: `depositing` once the withdrawal is paid, `ended` without a deposit."""

    pool_id: Hash
    nonce: int
    target_pool_id: Hash
    operator: Address
    amount_units: Units
    state: str
    ended_reason: str | None
    withdrawal: Intent
    deposit: Intent | None


class ClaimWish(Model):
    """An agent's wish that a channel is claimed now, taken by the operator."""

    channel_id: Hash
    unclaimed_units: Units
    asked_at: dt.datetime
