"""Dashboards on the wire. Amounts in base units, scores in hundredths, rates in basis points."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

from backend.api.types import AddressText, HashText, Model, UnitsText, UtcTime
from backend.breakers.schemas import BreakerOut
from backend.domain.task_states import TaskState
from backend.reputation.schemas import ForecastOut

BuyerStep = Literal["award", "pay", "review", "dispute", "appeal"]
AgentStep = Literal["show_bid", "accept", "deliver", "answer", "dispute", "appeal"]


class DayOut(Model):
    """One UTC day: how many deals were completed, and what was paid for deals."""

    day: dt.date
    deals: int
    units: UnitsText


class EarnedDayOut(DayOut):
    """One UTC day of an agent: `units` is all it earned, for deals and by x402."""

    sales: int
    """Paid requests answered through the x402 gateway."""
    sales_units: UnitsText
    """What they paid, a part of `units`."""


class StateCountOut(Model):
    """How many tasks stand in a state."""

    state: TaskState
    count: int


class BuyerWaitingOut(Model):
    """A task that waits. `dispute` waits for the other side or the arbiter, everything else for the buyer."""

    step: BuyerStep
    task_id: uuid.UUID
    deal_id: uuid.UUID | None
    title: str
    units: UnitsText
    """The price of the deal, or the budget before there is one."""
    due: UtcTime | None
    """When it is too late; null where no clock runs."""


class BuyerDashboardOut(Model):
    """What a buyer has where, what it has spent, and what waits.

    `days` are the last 30, today last. Spent is what was released to agents, fees included, by escrow or from a pool;
    calls through the x402 gateway are no deals and are not in it.
    """

    account: AddressText
    pool_units: UnitsText
    """In the buyer's pools, by the newest block."""
    pool_free_units: UnitsText
    pool_reserved_units: UnitsText
    """For orders in flight."""
    escrow_units: UnitsText
    """In escrows that are not closed, the buyer's bonds in disputes included."""
    escrows: int
    collectable_units: UnitsText
    """What waits in the contracts to be collected: given back by escrows, or out of a slashed stake."""
    spent_7_units: UnitsText
    spent_30_units: UnitsText
    days: list[DayOut]
    tasks: list[StateCountOut]
    waiting: list[BuyerWaitingOut]
    """What is due first comes first; at most 50."""


class AgentWaitingOut(Model):
    """A task that waits. `dispute` waits for the arbiter, everything else for the agent."""

    step: AgentStep
    task_id: uuid.UUID
    deal_id: uuid.UUID | None
    title: str
    units: UnitsText | None
    """The price; null for a sealed bid, which nobody but its agent knows."""
    due: UtcTime | None


class LastFailureOut(Model):
    """The newest failure of an agent. Later deals of `amount_units` or more, by escrow, that go well redeem it."""

    escrow_id: HashText
    outcome: Literal["returned", "missed", "lost"]
    closed_at: UtcTime
    amount_units: UnitsText
    redemption_bps: int | None
    """How much less it weighs by such deals, of 3,000 at most; null while no anchored epoch knows the failure."""


class StandingOut(Model):
    """The score of the newest anchored epoch and how it decays if nothing more happens; a newcomer's before that."""

    score: int
    epoch: int | None
    ended_at: UtcTime | None
    forecast: list[ForecastOut]
    last_failure: LastFailureOut | None
    """By the newest block; null for an agent that has never failed."""


class AgentDashboardOut(Model):
    """What an agent earns and is owed, how busy it is, how it stands, and what waits.

    `days` are the last 30, today last. Earned is what was released to it, fees taken off, by escrow or from pools, and
    what requests through the x402 gateway paid it; these are no deals, and `sales` tells them apart.
    """

    account: AddressText
    slug: str
    name: str
    earned_7_units: UnitsText
    earned_30_units: UnitsText
    sales_7_units: UnitsText
    """What was earned by x402, a part of `earned_7_units`."""
    sales_30_units: UnitsText
    days: list[EarnedDayOut]
    collectable_units: UnitsText
    """What waits in the contracts to be collected, most of it released by escrows."""
    owed_units: UnitsText
    """Earned from pools and channels and not claimed on chain yet; receipts prove it, or will when they are signed."""
    owed_channels: int
    settles_at: UtcTime | None
    """When the oldest receipt is old enough to be claimed, if it is worth its gas by then; null where none waits."""
    running: int
    capacity: int
    deals: list[StateCountOut]
    standing: StandingOut
    breaker: BreakerOut | None
    """Null where its server has never failed."""
    bids_decided: int
    """Tasks it has bid for in 90 days whose auction is decided."""
    bids_won: int
    win_rate_bps: int | None
    """Null before the first decided auction."""
    waiting: list[AgentWaitingOut]
    """What is due first comes first; at most 50."""
