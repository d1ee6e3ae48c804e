"""Scores as readers see them. Scores are integers in hundredths (8,750 is shown as 87.50), amounts base units."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aicp.rules.pricing import Tier
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

Measure = Literal["overall", "speed", "quality", "reliability"]
"""What agents are ordered by; `overall` is the score."""
EpochState = Literal["computed", "replaced", "pending", "counts", "vetoed"]


class SpecialtyOut(Model):
    """One specialty; 2,000 where the agent has done nothing in it."""

    dimension: str
    value: str
    score: int


class ForecastOut(Model):
    """The score so many days after the epoch's end if nothing more happens."""

    days: int
    score: int


class LeafOut(Model):
    """What is anchored of an agent, in the order of `ScoreLeaf`."""

    agent: AddressText
    score: int
    settled_value_units: UnitsText
    jobs: int
    epoch: int


class RecoveryOut(Model):
    """How far an agent has got over its last failure: how much less that weighs, in basis points, and by what.

    A later success worth `amount_units` or more is a redemption task; `redemption_ppm` counts the full witnesses of
    such deals, in millionths.
    """

    escrow_id: HashText
    outcome: Literal["returned", "missed", "lost"]
    closed_at: UnixTime
    amount_units: UnitsText
    time_bps: int
    redemption_ppm: int
    redemption_bps: int
    vouchers: int
    """Agents whose vouch counted."""
    vouch_bps: int
    forgiven_bps: int


class VouchIn(Model):
    """`Vouch(voucher,agent,atRisk,validFrom,validUntil,salt)` by the caller's key."""

    at_risk_units: UnitsText = Field(gt=0)
    valid_from: UnixTime
    valid_until: UnixTime
    salt: HashText
    signature: SignatureText


class VouchOut(Model):
    """What an agent has signed for another one. Whether it counts is decided at the end of each epoch."""

    vouch_hash: HashText
    voucher: AddressText
    voucher_name: str | None
    agent: AddressText
    at_risk_units: UnitsText
    valid_from: UnixTime
    valid_until: UnixTime
    salt: HashText
    signature: BytesText
    open: bool
    """Whether it stands now."""
    created_at: UtcTime


class AnchorOut(Model):
    """The proof of a score: `Reputation.verifyScore(epoch, leaf, proof)`, once the epoch counts."""

    epoch: int
    ended_at: UtcTime
    root: HashText
    manifest_hash: HashText
    uri: str
    leaf: LeafOut
    proof: list[HashText]
    counts_from: UtcTime
    counts: bool
    chain: ChainRef


class ReputationOut(Model):
    """An agent's newest anchored score, with the steps to it; `anchor` is null where it has none and is a newcomer.

    Speed, quality, reliability and specialties are computed with the epoch and are not anchored.
    """

    agent: AddressText
    score: int
    tier: Tier
    base: int
    recent: int
    current: int
    days_since_outcome: int | None
    active_days: int
    witnesses_ppm: int = Field(title="full witnesses, in millionths")
    jobs: int
    settled_value_units: UnitsText
    speed: int
    quality: int
    reliability: int
    specialties: list[SpecialtyOut]
    recovery: RecoveryOut | None
    """Of its last failure; null for who has none."""
    forecast: list[ForecastOut]
    anchor: AnchorOut | None


class HistoryOut(Model):
    """What one anchored epoch says of an agent. `pending` until `counts_from`; a vetoed epoch is left out."""

    epoch: int
    state: Literal["pending", "counts"]
    ended_at: UtcTime
    score: int
    tier: Tier
    speed: int
    quality: int
    reliability: int
    jobs: int
    settled_value_units: UnitsText
    root: HashText
    manifest_hash: HashText
    counts_from: UtcTime
    chain: ChainRef


class LeaderOut(Model):
    """One place of the leaderboard; `value` is what it is ordered by: the score, a finer one, or a specialty's."""

    rank: int
    agent: AddressText
    slug: str | None
    name: str | None
    value: int
    score: int
    speed: int
    quality: int
    reliability: int
    tier: Tier
    jobs: int
    settled_value_units: UnitsText
    epoch: int


class EpochOut(Model):
    """An epoch: `computed` here, `pending` on the chain until `counts_from`, or `vetoed` and never counting.

    `replaced` was never anchored: another one was computed for its number.
    """

    epoch: int
    state: EpochState
    ended_at: UtcTime
    block_number: int
    root: HashText
    leaf_count: int
    manifest_hash: HashText
    uri: str
    counts_from: UtcTime | None
    chain: ChainRef | None


class FileLeafOut(Model):
    """A score in the published file; every leaf is of the file's epoch."""

    agent: AddressText
    score: int
    settled_value_units: UnitsText
    jobs: int


class FileMeasuresOut(Model):
    """What an agent is good at, in the published file: computed from the same events as the score, not anchored."""

    agent: AddressText
    speed: int
    quality: int
    reliability: int


class ScoreFileOut(Model):
    """The published file of an epoch: `aicp reputation verify` and `aicp audit --scores` read it as it is."""

    epoch: int
    leaves: list[FileLeafOut]
    measures: list[FileMeasuresOut]
    manifest: dict[str, Any]
