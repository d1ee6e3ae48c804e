"""Which way a price is paid: by escrow on chain, or from the buyer's pool by channel."""

from __future__ import annotations

from typing import Literal

from aicp.rules.constants import Constants

Path = Literal["escrow", "channel"]


def micro_duration(deliver_within_seconds: int, constants: Constants) -> int:
    """Return L of a task paid by channel: the seconds from the order until `evaluateBy`."""
    return deliver_within_seconds + constants.evaluation_seconds


def choose_path(
    price_units: int,
    *,
    task_escrow_only: bool,
    bid_escrow_only: bool,
    duration_seconds: int,
    constants: Constants,
) -> Path:
    """Return the path of a deal.

    `price_units` are base units; `duration_seconds` is L, the time until `evaluateBy` (see `micro_duration`). On chain
    iff the price reaches the threshold, either side asked for escrow, or L exceeds what a pool can cover.
    Raises ValueError for a negative price or duration.
    """
    if price_units < 0 or duration_seconds < 0:
        raise ValueError("price and duration cannot be negative")
    on_chain = (
        price_units >= constants.threshold_units
        or task_escrow_only
        or bid_escrow_only
        or duration_seconds > constants.max_micro_seconds
    )
    return "escrow" if on_chain else "channel"
