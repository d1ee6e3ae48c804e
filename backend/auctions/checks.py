"""What a bid must be to be taken, open or sealed."""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import Bid
from backend.agents import suspensions
from backend.auctions.errors import AuctionFull, BidderSuspended, TooManyBids
from backend.auctions.models import Bid as BidRow
from backend.context import Context
from backend.db.times import unix
from backend.domain.task_states import BIDDABLE, TaskState
from backend.errors import AuctionClosed, BidRefused, Forbidden, SignatureExpired
from backend.tasks.models import Task

MAX_BID_LIFE_SECONDS: Final = 30 * 86400
LEAST_TO_ORDER_SECONDS: Final = 300
"""So long a bid that wins at once must still be valid: a buyer who is not there has to come and order."""


MOST_BIDS_OF_AGENT: Final = 20
MOST_BIDS: Final = 2_000
"""Bids on a task, or sealed ones, of whatever fate: each is in the record of the award for good."""


def require_running(ctx: Context, task: Task) -> None:
    """Raise AuctionClosed unless the auction takes bids now."""
    if TaskState(task.state) not in BIDDABLE or unix(task.auction_ends_at) <= ctx.now():
        raise AuctionClosed(state=task.state)


def require_bidder(task: Task, agent: bytes) -> None:
    """Raise Forbidden for the task's own buyer or verifier."""
    if agent == task.buyer:
        raise Forbidden("A buyer cannot bid on his own task.")
    if agent == task.verifier:
        raise Forbidden("The verifier of a task cannot bid on it.")


def require_room(seq: int, of_agent: int) -> None:
    """Raise AuctionFull or TooManyBids unless a task takes its bid number `seq` of an agent that has `of_agent`.

    The caller holds the task's lock.
    """
    if of_agent >= MOST_BIDS_OF_AGENT:
        raise TooManyBids(what_to_do="Your newest bid counts, unless you have withdrawn it.", most=MOST_BIDS_OF_AGENT)
    if seq > MOST_BIDS:
        raise AuctionFull(what_to_do="Bid on another task.", most=MOST_BIDS)


def require_lifetime(ctx: Context, valid_until: int) -> None:
    """Raise SignatureExpired or BidRefused unless a bid is valid now, and not for ever."""
    if valid_until <= ctx.now():
        raise SignatureExpired("The bid's validUntil has passed.")
    if valid_until > ctx.now() + MAX_BID_LIFE_SECONDS:
        raise BidRefused("The bid is valid for longer than 30 days.")


def require_time_to_order(ctx: Context, valid_until: int) -> None:
    """Raise BidRefused where a bid that wins at once would run out before its buyer could order."""
    if valid_until < ctx.now() + LEAST_TO_ORDER_SECONDS:
        raise BidRefused("The bid runs out before the buyer could order.", least_seconds=LEAST_TO_ORDER_SECONDS)


def require_unsuspended(session: Session, bid: BidRow) -> None:
    """Raise BidderSuspended where the agent of a bid is suspended now."""
    row = suspensions.open_of(session, [bid.agent]).get(bid.agent)
    if row is not None:
        raise BidderSuspended(
            f"An operator has suspended the agent of this bid: {row.reason}",
            what_to_do="Choose another bid.", since=row.since.isoformat(),
        )  # fmt: skip


def require_offer(ctx: Context, task: Task, bid: Bid, most_units: int | None = None) -> None:
    """Raise BidRefused unless price and time are within the task's limits, and the price within `most_units`."""
    lowest, highest = ctx.constants.minimum_price_units, task.budget_units if most_units is None else most_units
    if not lowest <= bid.amount <= highest:
        raise BidRefused(
            "The price is below the minimum or above the budget.",
            minimum_units=str(lowest),
            budget_units=str(highest),
        )
    if bid.eta_seconds > task.deliver_within_seconds:
        raise BidRefused(
            "The bid needs longer than the task allows.", deliver_within_seconds=task.deliver_within_seconds
        )
