"""What the service says of pools that move and of claims that were asked for."""

from __future__ import annotations

import datetime as dt

from aicp.client.wallet_models import Intent
from aicp.client.wire import Address, Hash, Model, Units


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
