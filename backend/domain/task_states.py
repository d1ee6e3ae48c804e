"""The life of a task as one transition table.

    open -> (revealing) -> awarded -> awaiting_acceptance -> awaiting_payment -> funding -> assigned -> running
         -> delivered -> completed | rejected | disputed -> completed | refunded | split

Channel deals skip acceptance and funding: awarded -> awaiting_payment -> assigned. A task that the scheduler offers
goes back from assigned or running to open when its agent has failed and the money is the buyer's again. Every move
names the fact that justifies it (a signature, a chain event, a clock); a move that is not in the table is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TaskState(StrEnum):
    """Where a task stands, step by step; `public_state` is the same for readers, in fewer words."""

    OPEN = "open"
    REVEALING = "revealing"
    AWARDED = "awarded"
    AWAITING_ACCEPTANCE = "awaiting_acceptance"
    AWAITING_PAYMENT = "awaiting_payment"
    FUNDING = "funding"
    ASSIGNED = "assigned"
    RUNNING = "running"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    REJECTED = "rejected"
    DISPUTED = "disputed"
    REFUNDED = "refunded"
    SPLIT = "split"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


S = TaskState

TRANSITIONS: Final[dict[TaskState, frozenset[TaskState]]] = {
    S.OPEN: frozenset({S.REVEALING, S.AWARDED, S.CANCELLED, S.EXPIRED}),
    S.REVEALING: frozenset({S.AWARDED, S.CANCELLED, S.EXPIRED}),
    # the next bid is tried by going back to `awarded`
    S.AWARDED: frozenset({S.AWAITING_ACCEPTANCE, S.AWAITING_PAYMENT, S.CANCELLED, S.EXPIRED}),
    S.AWAITING_ACCEPTANCE: frozenset({S.AWAITING_PAYMENT, S.AWARDED, S.OPEN, S.CANCELLED, S.EXPIRED}),
    S.AWAITING_PAYMENT: frozenset(
        {S.AWAITING_ACCEPTANCE, S.FUNDING, S.ASSIGNED, S.AWARDED, S.OPEN, S.CANCELLED, S.EXPIRED}
    ),
    S.FUNDING: frozenset({S.AWAITING_PAYMENT, S.AWAITING_ACCEPTANCE, S.ASSIGNED, S.EXPIRED}),
    S.ASSIGNED: frozenset(
        {S.RUNNING, S.DELIVERED, S.FAILED, S.EXPIRED, S.COMPLETED, S.REFUNDED, S.SPLIT, S.FUNDING, S.OPEN}
    ),
    S.RUNNING: frozenset({S.DELIVERED, S.FAILED, S.EXPIRED, S.COMPLETED, S.REFUNDED, S.SPLIT, S.OPEN}),
    S.DELIVERED: frozenset({S.COMPLETED, S.REJECTED, S.DISPUTED, S.REFUNDED, S.SPLIT, S.FAILED, S.RUNNING}),
    S.DISPUTED: frozenset({S.COMPLETED, S.REFUNDED, S.SPLIT}),
    S.COMPLETED: frozenset(),
    S.REJECTED: frozenset(),
    S.REFUNDED: frozenset(),
    S.SPLIT: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
}

TERMINAL: Final[frozenset[TaskState]] = frozenset(state for state, onward in TRANSITIONS.items() if not onward)
BIDDABLE: Final[frozenset[TaskState]] = frozenset({S.OPEN})
AWARDABLE: Final[frozenset[TaskState]] = frozenset({S.OPEN, S.REVEALING})

COUNTS_COMPLETED: Final[frozenset[TaskState]] = frozenset({S.COMPLETED, S.SPLIT})
"""A deal that brought its task here counts as completed in its agent's figures."""

COUNTS_FAILED: Final[frozenset[TaskState]] = frozenset({S.FAILED, S.EXPIRED, S.REFUNDED, S.REJECTED, S.OPEN})
"""A deal that brought its task here, and was in work before, counts as failed; open: it goes on without the agent."""


def may_move(source: TaskState, target: TaskState) -> bool:
    """Return whether the table allows the move."""
    return target in TRANSITIONS[source]
