"""What a buyer fixes about an auction when posting: weights, reserve, buy-now price, sealed bids, extension, or that
there is none and the scheduler offers the task to one agent at a time.

All of it is in the task document, so the task hash, and with it every bid, commits to it. A field that was not chosen
is not in the document. Amounts are base units, times seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from aicp.rules.awarding import Weights, weights_of
from aicp.rules.primitives import parse_units

MIN_REVEAL_SECONDS: Final = 30
MAX_REVEAL_SECONDS: Final = 86_400
MIN_EXTENSION_SECONDS: Final = 5
MAX_EXTENSION_SECONDS: Final = 3_600
MAX_EXTENDED_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A bid in the last `window_seconds` moves the end to that long after it, in all at most `most_seconds` later."""

    window_seconds: int
    most_seconds: int

    def __post_init__(self) -> None:
        if not MIN_EXTENSION_SECONDS <= self.window_seconds <= MAX_EXTENSION_SECONDS:
            raise ValueError("the window of an extension is 5 to 3,600 seconds")
        if not self.window_seconds <= self.most_seconds <= MAX_EXTENDED_SECONDS:
            raise ValueError("an auction is extended by one window at least and a day at most")

    def end_after(self, bid_at: int, ends_at: int, first_end: int) -> int:
        """Return when the auction ends once a bid came at `bid_at`; `first_end` is the end it was posted with."""
        if bid_at < ends_at - self.window_seconds:
            return ends_at
        return max(ends_at, min(bid_at + self.window_seconds, first_end + self.most_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionOptions:
    """What was chosen; None where it was not.

    `weights`: the published rule awards (`awarding`). `reserve_units`: the rule takes no bid above it, though one may
    be placed and the buyer may take it where the rule finds none. `buy_now_units`: a bid at or below it wins at once,
    if the buyer has signed that as a `TaskOrder`. `reveal_seconds`: bids are sealed, and shown within this time after
    the end. `instant`: no auction; the scheduler offers the task to one agent at a time, the best first, and a bid of
    that agent at or below the buy-now price, which the buyer has signed as a `TaskOrder`, wins at once.
    """

    weights: Weights | None = None
    reserve_units: int | None = None
    buy_now_units: int | None = None
    reveal_seconds: int | None = None
    extension: Extension | None = None
    instant: bool = False

    def __post_init__(self) -> None:
        if self.reserve_units is not None and self.weights is None:
            raise ValueError("a reserve price is for an award by the rule; name the weights")
        if self.reveal_seconds is not None:
            if not MIN_REVEAL_SECONDS <= self.reveal_seconds <= MAX_REVEAL_SECONDS:
                raise ValueError("sealed bids are shown within 30 to 86,400 seconds")
            if self.buy_now_units is not None or self.extension is not None:
                raise ValueError("sealed bids have no buy-now price and no extension: nobody sees them in time")
        if self.instant:
            if self.buy_now_units is None:
                raise ValueError("a task that is assigned at once has a highest price to be signed for")
            if self.weights is not None or self.reveal_seconds is not None or self.extension is not None:
                raise ValueError("a task that is assigned at once has no weights, sealed bids or extension")
        if any(price is not None and price < 1 for price in (self.reserve_units, self.buy_now_units)):
            raise ValueError("a price is more than nothing")

    def check_budget(self, budget_units: int) -> None:
        """Raise ValueError for a reserve above the budget, or a buy-now price above the reserve or the budget."""
        limit = self.limit_units(budget_units)
        if limit > budget_units:
            raise ValueError("the reserve price is above the budget")
        if self.buy_now_units is not None and self.buy_now_units > limit:
            raise ValueError("the buy-now price is above what the auction would take anyway")

    def limit_units(self, budget_units: int) -> int:
        """Return the most at which the rule awards."""
        return budget_units if self.reserve_units is None else self.reserve_units

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the task document, those that were chosen."""
        found: dict[str, Any] = {}
        if self.weights is not None:
            found["award_weights"] = asdict(self.weights)
        if self.reserve_units is not None:
            found["reserve_units"] = str(self.reserve_units)
        if self.buy_now_units is not None:
            found["buy_now_units"] = str(self.buy_now_units)
        if self.reveal_seconds is not None:
            found["reveal_seconds"] = self.reveal_seconds
        if self.extension is not None:
            found["extension"] = asdict(self.extension)
        if self.instant:
            found["instant"] = True
        return found


PLAIN: Final = AuctionOptions()
"""Open bids, and the buyer chooses."""


def options_of(document: Mapping[str, Any]) -> AuctionOptions:
    """Return what a task document says of its auction. Raises ValueError for what cannot be."""
    reserve, buy_now = document.get("reserve_units"), document.get("buy_now_units")
    extension = document.get("extension")
    instant = document.get("instant", False)
    if instant is not True and instant is not False:
        raise ValueError("the document's auction is malformed")
    try:
        return AuctionOptions(
            weights=weights_of(document) if "award_weights" in document else None,
            reserve_units=None if reserve is None else parse_units(reserve),
            buy_now_units=None if buy_now is None else parse_units(buy_now),
            reveal_seconds=document.get("reveal_seconds"),
            extension=None if extension is None else Extension(**extension),
            instant=instant,
        )
    except TypeError as error:
        raise ValueError("the document's auction is malformed") from error
