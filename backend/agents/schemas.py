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


class EndpointIn(Model):
    """A URL of the agent that others may call for a price; posting the same slug again changes it."""

    slug: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$")
    upstream_url: str = Field(min_length=8, max_length=2048)
    """http or https at a public address; the gateway adds the caller's query and passes body and media type on."""
    price_units: UnitsText = Field(gt=0)
    description: str = Field(max_length=500)
    mime_type: str = Field(default="application/json", max_length=100, pattern="^[a-z0-9.+-]+/[a-z0-9.+-]+$")
    payment_id_required: bool = False
    free_again_seconds: int = Field(default=0, ge=0, le=30 * 86_400)
    """How long who has paid may come again by signing in; 0 for never."""
    active: bool = True


class EndpointOut(Model):
    """A paid endpoint as everybody sees it."""

    slug: str
    url: str
    price_units: UnitsText
    description: str
    mime_type: str
    payment_id_required: bool
    free_again_seconds: int
    updated_at: UtcTime


class OwnEndpointOut(EndpointOut):
    """A paid endpoint as its agent sees it."""

    upstream_url: str
    active: bool
