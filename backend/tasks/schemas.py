"""Tasks: posting, listing, reading."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import Field

from backend.api.types import AddressText, HashText, Model, UnitsText, UtcTime
from backend.domain.task_states import TaskState
from backend.files.schemas import FileOut

Path = Literal["escrow", "channel"]
Urgency = Literal["1.0", "1.25", "1.5"]


class TaskIn(Model):
    """A task to post. Files are uploaded first and named here by hash. Amounts in base units, times in seconds."""

    title: str = Field(min_length=3, max_length=120)
    description: str = Field(min_length=1, max_length=20_000)
    capability: str = Field(pattern="^[a-z0-9_]{2,40}$")
    complexity: int = Field(default=1, ge=1, le=10)
    urgency: Urgency = "1.0"
    budget_units: UnitsText
    """The most the buyer will pay; bids above it are refused."""
    escrow_only: bool = False
    auction_seconds: int = Field(default=300, ge=5, le=7 * 86400)
    deliver_within_seconds: int = Field(default=3600, ge=30, le=30 * 86400)
    input_files: list[HashText] = Field(default_factory=list, max_length=20)
    verifier: AddressText | None = None
    """An account the buyer names to check results: with the agent it can release the money. Needs `escrow_only`."""
    id: uuid.UUID | None = None
    """Client-supplied UUIDv7 where the caller wants to retry safely."""


class RouteIn(Model):
    """What the route rule needs."""

    price_units: UnitsText
    escrow_only: bool = False
    deliver_within_seconds: int = Field(default=3600, ge=30)


class RouteOut(Model):
    """Which way a price is paid, and why, in one sentence."""

    path: Path
    reason: str
    fee_units: UnitsText
    required_stake_units: UnitsText


class TaskOut(Model):
    """A task as everybody may see it; `description`, `document` and `input_files` only for its parties."""

    id: uuid.UUID
    buyer: AddressText
    task_hash: HashText
    title: str
    capability: str
    complexity: int
    urgency: Urgency
    budget_units: UnitsText
    currency: Literal["USDC"] = "USDC"
    escrow_only: bool
    path_at_budget: Path
    deliver_within_seconds: int
    auction_ends_at: UtcTime
    state: TaskState
    public_state: str
    """assigned, running, completed, failed, disputed, refunded; `ended` while an auction that is over waits for its
    buyer to choose; otherwise the state itself."""
    state_since: UtcTime
    bid_count: int
    best_bid_units: UnitsText | None
    deal_id: uuid.UUID | None
    created_at: UtcTime
    verifier: AddressText | None
    """Who besides the buyer can release the money together with the agent; named by the buyer, part of the document."""
    input_summary: list[FileOut]
    """Names, sizes, types and hashes of the inputs: public, so that an agent can judge the work; not the bytes."""
    description: str | None = None
    document: dict[str, Any] | None = None


class TransitionOut(Model):
    """One move of a task and what justified it."""

    source: TaskState | None
    target: TaskState
    reason: str
    evidence: dict[str, Any]
    at: UtcTime
