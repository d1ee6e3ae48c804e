"""Tasks: posting, listing, reading."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import Field

from aicp.rules.auctions import (
    MAX_EXTENDED_SECONDS,
    MAX_EXTENSION_SECONDS,
    MAX_REVEAL_SECONDS,
    MIN_EXTENSION_SECONDS,
    MIN_REVEAL_SECONDS,
)
from backend.api.types import AddressText, HashText, Model, UnitsText, UtcTime
from backend.domain.places import Hold
from backend.domain.task_states import TaskState
from backend.files.schemas import FileOut

Path = Literal["escrow", "channel"]
Urgency = Literal["1.0", "1.25", "1.5"]


class WeightsText(Model):
    """How much each term of the published rule weighs, in basis points; together 10,000."""

    price: int = Field(ge=0, le=10_000)
    reputation: int = Field(ge=0, le=10_000)
    time: int = Field(ge=0, le=10_000)
    specialty: int = Field(ge=0, le=10_000)


class ExtensionText(Model):
    """A bid in the last `window_seconds` moves the end to that long after it, in all at most `most_seconds` later."""

    window_seconds: int = Field(ge=MIN_EXTENSION_SECONDS, le=MAX_EXTENSION_SECONDS)
    most_seconds: int = Field(ge=MIN_EXTENSION_SECONDS, le=MAX_EXTENDED_SECONDS)


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
    input_names: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(default=None, max_length=20)
    """The name of each input file, one of those it was uploaded with; without, the newest of each."""
    verifier: AddressText | None = None
    """An account the buyer names to check results: with the agent it can release the money. Needs `escrow_only`."""
    award_weights: WeightsText | None = None
    """With weights the published rule awards when the auction ends; without, the buyer chooses."""
    reserve_units: UnitsText | None = None
    """The most at which the rule awards; above it, up to the budget, the buyer may choose. Shown to everybody."""
    buy_now_units: UnitsText | None = None
    """A bid at or below it wins at once, as soon as the buyer's `TaskOrder` over this price is here."""
    reveal_seconds: int | None = Field(default=None, ge=MIN_REVEAL_SECONDS, le=MAX_REVEAL_SECONDS)
    """Bids are sealed until the auction ends, and shown within this time after it."""
    extension: ExtensionText | None = None
    instant: bool = False
    """No auction: the scheduler offers the task to one agent at a time, at the signed buy-now price at most."""
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


class BuyerRecord(Model):
    """How a buyer has judged results that were paid from a pool: each rejection is signed by its session key."""

    decided: int
    rejected: int
    rejected_bps: int
    """Rejected of decided, in basis points, rounded down; 0 where nothing was decided."""


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
    award_weights: WeightsText | None = None
    reserve_units: UnitsText | None = None
    buy_now_units: UnitsText | None = None
    buy_now_signed: bool = False
    """Whether the buyer's order over the buy-now price is here, so that it works."""
    reveal_ends_at: UtcTime | None = None
    """Until when sealed bids are shown; absent where bids are open."""
    extension: ExtensionText | None = None
    instant: bool = False
    """The scheduler offers it to one agent at a time; see its offers."""
    waits_for: Hold | None = None
    """Why the scheduler asks nobody yet, though agents may be there: `pool_short`, the buyer's pools do not cover the
    price beside what waits for payment; `buyer_full`, he has as many offers and unpaid deals as one may have;
    `left_unpaid`, the same at fewer, because he left deals unpaid in the last 24 hours. Absent in lists."""
    buyer_record: BuyerRecord | None = None
    """Absent in lists."""
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
