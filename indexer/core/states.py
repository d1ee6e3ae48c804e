"""The words for states and outcomes in the mirror."""

from __future__ import annotations

from enum import StrEnum


class EscrowStatus(StrEnum):
    """Where an escrow stands; `closed` is final and its outcome says how it ended."""

    FUNDED = "funded"
    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    CLOSED = "closed"


class LockState(StrEnum):
    """What became of the stake locked for an escrow."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    SLASHED = "slashed"
