"""What the scheduler sees, on the wire."""

from __future__ import annotations

import uuid
from typing import Literal

from backend.api.types import AddressText, HashText, Model, UnitsText, UtcTime
from backend.domain.scheduling import Why
from backend.scheduler.models import Answer

Health = Literal["ok", "full", "resting", "silent"]


class WeightsOut(Model):
    """What points are made of, in basis points, together 10,000."""

    reputation: int
    specialty: int
    room: int
    speed: int


class CapabilityOut(Model):
    """The demand for a capability and who has it. An agent counts in exactly one of ok, full, resting and silent."""

    capability: str
    waiting_tasks: int
    agents: int
    ok: int
    full: int
    resting: int
    silent: int
    newcomers: int
    in_flight: int
    """Deals of these agents that are not over, of whatever capability."""
    capacity: int


class LoadOut(Model):
    """An agent, what it is busy with and whether it may be given work."""

    agent: AddressText
    capabilities: list[str]
    health: Health
    in_flight: int
    capacity: int
    newcomer: bool
    """Fewer than ten of its escrows are decided."""
    rests_until: UtcTime | None
    last_heartbeat: UtcTime | None


class RefusedOut(Model):
    """The best of the agents that are refused for one reason."""

    agent: AddressText
    agent_name: str | None = None
    """Null in the status of the scheduler, and where it has none."""
    why: Why
    points_bps: int


class OfferOut(Model):
    """A task offered to one agent: what the rule decided, whom it refused and why, and the answer."""

    task_id: uuid.UUID
    agent: AddressText
    agent_name: str | None
    max_units: UnitsText
    """What the buyer has signed for at most."""
    rule_version: int
    why: Why
    points_bps: int
    """Of a perfect agent's points."""
    refused: list[RefusedOut]
    offered_at: UtcTime
    answer_until: UtcTime
    answer: Answer | None
    """`bid`: it took the task; `declined`; `silent`: no answer in time; `void`: nothing was left to answer."""
    answered_at: UtcTime | None
    bid_hash: HashText | None


class WaitingOut(Model):
    """An open task, and what the rule decides on it now; where the buyer chooses himself, what it would."""

    task_id: uuid.UUID
    capability: str
    budget_units: UnitsText
    since: UtcTime
    agent: AddressText | None
    why: Why
    """Why this agent, or why nobody."""
    points_bps: int
    refused: list[RefusedOut]
    instant: bool = False
    """The buyer leaves the choice to the scheduler."""
    offered: bool = False
    """The agent is asked already, and has not answered yet."""


class DecisionOut(Model):
    """An award that was made."""

    task_id: uuid.UUID
    agent: AddressText
    price_units: UnitsText
    reason: str
    at: UtcTime


class SchedulerStatusOut(Model):
    """What waits, who could do it, and what was decided lately. Figures are of now; nothing is assigned by asking."""

    rule_version: int
    newcomer_share_bps: int
    buyer_places: int
    """So many offers and unpaid deals a buyer has at once, one fewer for each deal he left unpaid in a day."""
    weights: WeightsOut
    waiting_tasks: int
    capabilities: list[CapabilityOut]
    agents: list[LoadOut]
    """At most 200, those heard last first; the capabilities count at most 1,000."""
    waiting: list[WaitingOut]
    """At most 50, in the order in which they would be assigned."""
    decisions: list[DecisionOut]
    """The last 20 awards, the newest first."""
