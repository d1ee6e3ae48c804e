"""How much of an old score is left after some days: the table floor(1e18 x e^(-days/10)), shipped as data.

Source: docs/Rules.md, "Scores" (lambda is 0.1 a day, so about half is left after 7 days). Python, TypeScript and
Solidity read the same 366 integers, so that no language's idea of an exponential enters a score.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

ONE: Final = 10**18
"""What 1.0 is in the table."""
DECAY: Final[tuple[int, ...]] = tuple(
    int(value) for value in json.loads(files("aicp.rules").joinpath("decay.json").read_text(encoding="utf-8"))["table"]
)
MAX_DAYS: Final = len(DECAY) - 1
DAY: Final = 86_400


def days_between(earlier: int, later: int) -> int:
    """Return the full days from one unix second to a later one, at most 365. Raises ValueError if it is earlier."""
    if later < earlier:
        raise ValueError("the later second is before the earlier one")
    return min((later - earlier) // DAY, MAX_DAYS)


def decayed(base: int, recent: int, days: int) -> int:
    """Return (base x decay + recent x (1e18 - decay)) / 1e18, rounded down; both in hundredths.

    Raises ValueError for days outside 0..365 and scores below zero.
    """
    if not 0 <= days <= MAX_DAYS:
        raise ValueError("days are 0 to 365")
    if base < 0 or recent < 0:
        raise ValueError("scores are at least 0")
    left = DECAY[days]
    return (base * left + recent * (ONE - left)) // ONE
