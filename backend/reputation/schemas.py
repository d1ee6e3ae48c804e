"""Scores as readers see them. Scores are integers in hundredths (8,750 is shown as 87.50), amounts base units."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aicp.rules.pricing import Tier
from backend.api.types import AddressText, ChainRef, HashText, Model, UnitsText, UtcTime

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
    forecast: list[ForecastOut]
    anchor: AnchorOut | None


class LeaderOut(Model):
    """One place of the leaderboard; `value` is what it is ordered by: the score, or that of the specialty."""

    rank: int
    agent: AddressText
    slug: str | None
    name: str | None
    value: int
    score: int
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


class ScoreFileOut(Model):
    """The published file of an epoch: `aicp reputation verify` and `aicp audit --scores` read it as it is."""

    epoch: int
    leaves: list[FileLeafOut]
    manifest: dict[str, Any]
