"""Estimates and quotes on the wire. Factors are basis points, 10,000 of them are 1.0."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aicp.rules.pricing import Tier
from backend.api.types import AddressText, BytesText, HashText, Model, UnitsText, UnixTime


class EstimateIn(Model):
    """A task to price. With an agent, by address or alias, the answer holds a quote the operator has signed."""

    base_units: UnitsText = Field(gt=0)
    """What the work is worth before any factor."""
    complexity: int = Field(default=1, ge=1, le=10)
    urgency: Literal["1.0", "1.25", "1.5"] = "1.0"
    agent: str | None = Field(default=None, max_length=42)


class FactorOut(Model):
    """One factor of a price, and what it follows from in words."""

    name: str
    bps: int
    because: str


class TierOut(Model):
    """What the same task would cost with an agent of a tier."""

    tier: Tier
    from_rate_bps: int
    """The lowest success rate that belongs to the tier."""
    multiplier_bps: int
    price_units: UnitsText


class QuoteOut(Model):
    """`Quote(...)` in the marketplace's domain, signed by the operator.

    Anybody computes it again: `successes` and `decided` are those of `Reputation.recordOf(agent)` at `as_of_block`,
    the price follows from the fields above it by version `formula` of the published formula.
    """

    chain_id: int
    escrow: AddressText
    """The contract of the signing domain."""
    agent: AddressText
    base_units: UnitsText
    successes: int
    decided: int
    complexity: int
    urgency_bps: int
    price_units: UnitsText
    formula: int
    as_of_block: int
    valid_until: UnixTime
    digest: HashText
    operator: AddressText
    signature: BytesText


class EstimateOut(Model):
    """price = base x multiplier x complexity x urgency, rounded once, half up to a base unit."""

    currency: Literal["USDC"] = "USDC"
    base_units: UnitsText
    price_units: UnitsText
    formula: int
    tier: Tier
    """The agent's, or a newcomer's where none is named."""
    factors: list[FactorOut]
    tiers: list[TierOut]
    agent: AddressText | None
    price_floor_units: UnitsText | None
    """The least the agent works for; a price below it is one the agent will not take."""
    quote: QuoteOut | None
    """Absent where no agent is named."""
