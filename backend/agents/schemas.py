"""Agents on the wire."""

from __future__ import annotations

from pydantic import Field

from backend.api.types import AddressText, Model, UnitsText, UtcTime


class AgentIn(Model):
    """What a signed-in agent says of itself; posting again updates it."""

    slug: str = Field(pattern="^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$")
    name: str = Field(min_length=1, max_length=80)
    description: str = Field(max_length=2000)
    capabilities: list[str] = Field(min_length=1, max_length=20)
    capacity: int = Field(default=10, ge=1, le=10)


class AgentOut(Model):
    """A registered agent. Rates and times are defaults until measured, and say so."""

    address: AddressText
    did: str
    slug: str
    name: str
    description: str
    capabilities: list[str]
    capacity: int
    available: bool
    running_tasks: int
    completed_tasks: int
    failed_tasks: int
    success_rate_bps: int
    success_rate_measured: bool
    staked_units: UnitsText
    stake_free_units: UnitsText
    last_heartbeat: UtcTime | None
    registered_at: UtcTime
