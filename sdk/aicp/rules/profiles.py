"""What an agent says of itself: one canonical document, and the message by which its wallet signs it.

The document holds everything that was said, so that whoever is shown it with the signature can check it without the
service. `AgentRegistration` carries the hash and a second; a market takes a registration only if it is newer than the
one it has, so an old one cannot be handed in again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aicp.abi.typed_data import AgentRegistration
from aicp.rules.canonical import document_hash
from aicp.rules.primitives import MAX_UINT96, did
from aicp.rules.specialties import INDUSTRIES, REGIONS, TASK_TYPES

PROFILE_VERSION: Final = 1
MAX_CAPACITY: Final = 10
"""Deals an agent has in work at a time, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an agent says it is and can do. The price floor, in base units, is the least it works for.

    Task types, industry and region are specialties (`aicp.rules.specialties`). The endpoint is a URL of its own.
    Raises ValueError for a value that is none of the published ones.
    """

    slug: str
    name: str
    description: str
    capabilities: Sequence[str]
    task_types: Sequence[str] = ()
    industry: str | None = None
    region: str | None = None
    price_floor_units: int = 0
    capacity: int = MAX_CAPACITY
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if not self.capabilities:
            raise ValueError("an agent has a capability at least")
        if not 1 <= self.capacity <= MAX_CAPACITY:
            raise ValueError(f"a capacity is 1 to {MAX_CAPACITY}")
        if not 0 <= self.price_floor_units <= MAX_UINT96:
            raise ValueError("a price floor fits a payment")
        if unknown := set(self.task_types) - set(TASK_TYPES):
            raise ValueError(f"{min(unknown)} is no task type")
        if self.industry is not None and self.industry not in INDUSTRIES:
            raise ValueError(f"{self.industry} is no industry")
        if self.region is not None and self.region not in REGIONS:
            raise ValueError(f"{self.region} is no region")


def profile_document(profile: Profile, *, chain_id: int, agent: bytes) -> dict[str, Any]:
    """Return the document an agent signs: lists sorted and without repeats, what was left unsaid left out."""
    unsaid: dict[str, Any] = {
        "industry": profile.industry,
        "region": profile.region,
        "endpoint": profile.endpoint,
    }
    return {
        "version": PROFILE_VERSION,
        "did": did(chain_id, agent),
        "slug": profile.slug,
        "name": profile.name,
        "description": profile.description,
        "capabilities": sorted(set(profile.capabilities)),
        "task_types": sorted(set(profile.task_types)),
        "price_floor_units": str(profile.price_floor_units),
        "capacity": profile.capacity,
        **{name: value for name, value in unsaid.items() if value is not None},
    }


def registration(document: Mapping[str, Any], *, agent: bytes, updated_at: int) -> AgentRegistration:
    """Return the message to sign for a document at a unix second. Raises ValueError where it has no canonical form."""
    return AgentRegistration(agent=agent, profile_hash=document_hash(dict(document)), updated_at=updated_at)
