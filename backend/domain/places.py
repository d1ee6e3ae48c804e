"""How much of the agents' room one buyer may hold while he has not paid. Pure.

An offer, and the unpaid deal that it becomes, keep a place of an agent, and nothing that the buyer has signed so far
could be collected. So a task is offered while its buyer has a place free and, where a pool pays, the money. A deal that
is paid frees its place at once. Amounts are base units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

MEMORY_SECONDS: Final = 86_400
"""For so long a deal that was left unpaid costs its buyer a place."""


class Hold(StrEnum):
    """Why a task is offered to nobody yet, whoever could do it."""

    POOL_SHORT = "pool_short"
    """No pool of its buyer covers its price beside what he is asked to pay already."""
    BUYER_FULL = "buyer_full"
    """Its buyer has as many offers and unpaid deals as one may have."""
    LEFT_UNPAID = "left_unpaid"
    """The same, at a smaller number, because he left deals unpaid lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A buyer as he stands."""

    busy: int = 0
    """His offers without an answer and unpaid deals, of tasks that the scheduler offers."""
    left: int = 0
    """Deals of such tasks that he left unpaid lately."""
    largest_units: int = 0
    """What the best of his pools can still promise."""
    total_units: int = 0
    """What all of them can."""
    asked_units: int = 0
    """What his offers and unpaid deals will take from his pools."""

    def hold(self, most_places: int, units: int, *, pooled: bool) -> Hold | None:
        """Return why a task of his at this price is not offered now, None where it may be."""
        if pooled and (units > self.largest_units or units + self.asked_units > self.total_units):
            return Hold.POOL_SHORT
        if self.busy >= most_places:
            return Hold.BUYER_FULL
        return Hold.LEFT_UNPAID if self.busy >= max(1, most_places - self.left) else None

    def asked(self, units: int, *, pooled: bool) -> Buyer:
        """Return him with one more offer."""
        return replace(self, busy=self.busy + 1, asked_units=self.asked_units + (units if pooled else 0))
