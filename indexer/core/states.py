"""The words for states and outcomes in the mirror."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EscrowStatus(StrEnum):
    """Where an escrow stands; `closed` is final and its outcome says how it ended."""

    FUNDED = "funded"
    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    CHALLENGED = "challenged"
    DISPUTED = "disputed"
    RULED = "ruled"
    CLOSED = "closed"


class LockState(StrEnum):
    """What became of the stake locked for an escrow."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    SLASHED = "slashed"


class Outcome(StrEnum):
    """How an escrow ended, in the order of the contract's codes."""

    NONE = "none"
    COMPLETED = "completed"
    SETTLED = "settled"
    RETURNED = "returned"
    MISSED = "missed"
    LOST = "lost"
    WON = "won"
    TIE = "tie"
    STALLED = "stalled"
    CANCELLED = "cancelled"

    @classmethod
    def of_code(cls, code: int) -> Outcome:
        """Return the outcome of a contract code. Raises IndexError for an unknown one."""
        return tuple(cls)[code]


RULED_OUTCOMES: Final = {0: Outcome.TIE, 1: Outcome.LOST, 2: Outcome.WON}
"""How an escrow ends by an arbiter's ruling; there are no other rulings."""
