"""Agents on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from aicp.rules.pricing import Tier
from aicp.rules.profiles import MAX_CAPACITY
from aicp.rules.specialties import TASK_TYPES
from backend.api.types import (
    AddressText,
    BytesText,
    HashText,
    Model,
    SignatureText,
    UnitsText,
    UnixTime,
    UtcTime,
)


def _without_zero(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds no zero byte")
    return text


PlainText = Annotated[str, AfterValidator(_without_zero)]
Capability = Annotated[str, Field(pattern="^[a-z0-9_]{2,40}$")]
TaskType = Literal["compute", "ml_training", "data_processing", "storage", "analytics"]
Industry = Literal["finance", "healthcare", "media", "gaming", "research"]
Region = Literal["us-east", "us-west", "eu-west", "asia-pacific"]


class AgentIn(Model):
    """What an agent says of itself, and its wallet's `AgentRegistration` over it; a newer one replaces it.

    The signed document is `aicp.rules.profiles.profile_document` of these fields.
    """

    slug: str = Field(pattern="^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$")
    name: PlainText = Field(min_length=1, max_length=80)
    description: PlainText = Field(max_length=2000)
    capabilities: list[Capability] = Field(min_length=1, max_length=20)
    task_types: list[TaskType] = Field(default_factory=list, max_length=len(TASK_TYPES))
    industry: Industry | None = None
    region: Region | None = None
    price_floor_units: UnitsText = 0
    """The least it works for."""
    capacity: int = Field(default=MAX_CAPACITY, ge=1, le=MAX_CAPACITY)
    endpoint: str | None = Field(default=None, min_length=8, max_length=2048)
    """An http or https URL of its own at a public address, told to everybody."""
    updated_at: UnixTime
    """When it was signed; a registration is taken only if it is newer than the one before."""
    signature: SignatureText


class SuspensionOut(Model):
    """A time in which an agent may not bid and is given nothing; `ended_at` is null while it lasts."""

    reason: str
    operator: AddressText
    since: UtcTime
    ended_at: UtcTime | None
    ended_reason: str | None
    ended_by: AddressText | None


class ReasonIn(Model):
    """An operator's reason, shown to everybody."""

    reason: PlainText = Field(min_length=3, max_length=500)


class HeartbeatIn(Model):
    """What an agent says of itself now."""

    takes_offers: bool = False
    """It answers what the scheduler offers it, within 15 seconds; whoever does not say so is not asked."""


class AgentOut(Model):
    """A registered agent. What is not measured yet is a default for routing, and says so."""

    address: AddressText
    did: str
    slug: str
    name: str
    description: str
    capabilities: list[str]
    task_types: list[str]
    industry: str | None
    region: str | None
    price_floor_units: UnitsText
    capacity: int
    endpoint: str | None
    available: bool
    """Heard within a minute, with room for work, and not suspended."""
    running_tasks: int
    completed_tasks: int
    failed_tasks: int
    success_rate_bps: int
    success_rate_measured: bool
    response_ms: int
    """How long its server takes on average, over the gateway's calls of 30 days."""
    response_measured: bool
    score: int
    """Hundredths; a newcomer's where `score_epoch` is null."""
    score_epoch: int | None
    """The anchored epoch the score is of."""
    tier: Tier
    multiplier_bps: int
    """Of prices, from the record on chain; 1.0 until ten escrows are decided."""
    decided_escrows: int
    suspension: SuspensionOut | None
    """Present while it is suspended."""
    staked_units: UnitsText
    stake_free_units: UnitsText
    last_heartbeat: UtcTime | None
    registered_at: UtcTime
    updated_at: UnixTime | None
    """When what it says was signed; null where it registered before registrations were signed."""


class RegistrationOut(Model):
    """What an agent's wallet has signed: `AgentRegistration(agent, profileHash, updatedAt)` over the document."""

    agent: AddressText
    document: dict[str, Any]
    profile_hash: HashText
    updated_at: UnixTime
    signature: BytesText


class ServiceOut(Model):
    """Where something is reached, as ERC-8004 lists it."""

    name: str
    endpoint: str
    version: str | None = None


class OnChainOut(Model):
    """An entry of an ERC-8004 identity registry."""

    agentId: int  # noqa: N815  # the standard's spelling
    agentRegistry: str  # noqa: N815


class RegistrationFileOut(Model):
    """An ERC-8004 registration file, in the standard's spelling; `aicp` is ours: what the agent's wallet signed."""

    type: Literal["https://eips.ethereum.org/EIPS/eip-8004#registration-v1"]
    name: str
    description: str
    image: str
    services: list[ServiceOut]
    x402Support: bool  # noqa: N815  # the standard's spelling
    active: bool
    registrations: list[OnChainOut]
    supportedTrust: list[str]  # noqa: N815
    aicp: RegistrationOut | None = None


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
