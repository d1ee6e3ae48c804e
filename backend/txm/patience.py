"""When a queued call is simulated again of which no node has said what it would do. Pure.

Each time it waits twice as long, so that those behind it have its place meanwhile, and never longer than a minute. What
is near its end waits only as long as at first.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

NEAR: Final = dt.timedelta(seconds=180)
"""What must be mined within this time goes first."""
FIRST_PAUSE: Final = dt.timedelta(seconds=2)
LONGEST_PAUSE: Final = dt.timedelta(seconds=60)


def pause(last: dt.timedelta, left: dt.timedelta | None) -> dt.timedelta:
    """Return the next pause after the last one, for a call that has so long left; None where it has no end."""
    if left is not None and left <= NEAR:
        return FIRST_PAUSE
    return min(max(2 * last, FIRST_PAUSE), LONGEST_PAUSE)
