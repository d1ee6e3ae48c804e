"""Why a bid is not awarded."""

from __future__ import annotations

from backend.errors import Conflict


class BidderSuspended(Conflict):
    """The agent was suspended after it had bid."""

    code, title = "bidder_suspended", "The agent of this bid is suspended."
