"""Why a bid is not taken, or not awarded."""

from __future__ import annotations

from backend.errors import Conflict


class BidderSuspended(Conflict):
    """The agent was suspended after it had bid."""

    code, title = "bidder_suspended", "The agent of this bid is suspended."


class TooManyBids(Conflict):
    """The agent has bid on the task as often as one may, withdrawn and replaced bids included."""

    code, title = "too_many_bids", "You have bid on this task as often as an agent may."


class AuctionFull(Conflict):
    """The task has as many bids as an award may have to look at."""

    code, title = "auction_full", "The task has as many bids as it can take."
