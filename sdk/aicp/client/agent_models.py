"""What the service says of agents: their profile, who vouches for them, and the published scores."""

from __future__ import annotations

import datetime as dt

from aicp.client.wire import Address, Hash, Model, Signature, Units


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
