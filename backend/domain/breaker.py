"""When somebody else's server is called, and when it is left in peace. Pure: times are arguments, in milliseconds.

CLOSED: every call goes through; so many failures in a row open it. OPEN: no call goes through until the rest is over.
HALF_OPEN: a few trials go through; when all have succeeded it closes, when one fails it opens for a longer rest.

A call carries the turn it was let through in. A turn ends with every change of state, so that what comes in late, of a
call from before, decides nothing. Trials nobody answers for, because their process died, are given anew after a while.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What becomes of a call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


FAILURES_TO_OPEN: Final = 5
TRIALS: Final = 3
FIRST_REST_MS: Final = 1_500
LONGEST_REST_MS: Final = 60_000
TRIAL_MS: Final = 60_000
"""After so long a trial without an outcome is given anew; longer than any call may take."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A breaker at one moment; a new one is closed."""

    state: State = State.CLOSED
    turn: int = 0
    """Grows with every change of state, and where trials are given anew."""
    failures: int = 0
    """In a row, while it is closed."""
    rest_ms: int = 0
    """How long the newest rest was meant to be; 0 while it is closed."""
    until_ms: int = 0
    """Open: the end of the rest. Half open: when trials without an outcome are given anew."""
    given: int = 0
    """Trials of this turn that were let through."""
    succeeded: int = 0
    """Trials that have succeeded since it was open."""


def wait_ms(breaker: Breaker, now_ms: int) -> int:
    """Return 0 where a call may go through now, else after how long to ask again: the rest, or a while for trials."""
    if breaker.state is State.CLOSED or (breaker.state is State.HALF_OPEN and _left(breaker)):
        return 0
    left = max(0, breaker.until_ms - now_ms)
    return left if breaker.state is State.OPEN else min(left, FIRST_REST_MS)


def _left(breaker: Breaker) -> int:
    return TRIALS - breaker.succeeded - breaker.given


def asked(breaker: Breaker, now_ms: int) -> Breaker | None:
    """Return the breaker after it has let a call through, whose turn is its own; None where it does not."""
    if wait_ms(breaker, now_ms) > 0:
        return None
    match breaker.state:
        case State.CLOSED:
            return breaker
        case State.OPEN:
            return replace(
                breaker, state=State.HALF_OPEN, turn=breaker.turn + 1, until_ms=now_ms + TRIAL_MS, given=1, succeeded=0
            )
        case State.HALF_OPEN:
            if _left(breaker):
                return replace(breaker, given=breaker.given + 1)
            return replace(breaker, turn=breaker.turn + 1, until_ms=now_ms + TRIAL_MS, given=1)


def good(breaker: Breaker, turn: int) -> Breaker:
    """Return the breaker after a call of a turn has succeeded."""
    if turn != breaker.turn or breaker.state is State.OPEN:
        return breaker
    if breaker.state is State.CLOSED:
        return replace(breaker, failures=0)
    if breaker.succeeded + 1 == TRIALS:
        return Breaker(turn=breaker.turn + 1)
    return replace(breaker, given=breaker.given - 1, succeeded=breaker.succeeded + 1)


def bad(breaker: Breaker, turn: int, now_ms: int) -> Breaker:
    """Return the breaker after a call of a turn has failed."""
    if turn != breaker.turn or breaker.state is State.OPEN:
        return breaker
    if breaker.state is State.HALF_OPEN:
        return _opened(breaker, now_ms, min(breaker.rest_ms * 3 // 2, LONGEST_REST_MS))
    if breaker.failures + 1 < FAILURES_TO_OPEN:
        return replace(breaker, failures=breaker.failures + 1)
    return _opened(breaker, now_ms, FIRST_REST_MS)


def unclear(breaker: Breaker, turn: int) -> Breaker:
    """Return the breaker after a call whose outcome says nothing of the server's health; a trial is given back."""
    if turn != breaker.turn or breaker.state is not State.HALF_OPEN:
        return breaker
    return replace(breaker, given=breaker.given - 1)


def reset(breaker: Breaker) -> Breaker:
    """Return it closed; what is still under way decides nothing."""
    return Breaker(turn=breaker.turn + 1)


def _opened(breaker: Breaker, now_ms: int, rest_ms: int) -> Breaker:
    return Breaker(
        state=State.OPEN, turn=breaker.turn + 1, failures=FAILURES_TO_OPEN, rest_ms=rest_ms, until_ms=now_ms + rest_ms
    )
