"""The names the public API gives to task states."""

from __future__ import annotations

from typing import Final

from backend.domain.task_states import TaskState

_PUBLIC: Final[dict[TaskState, str]] = {
    TaskState.DELIVERED: "running",
    TaskState.REJECTED: "refunded",
    TaskState.SPLIT: "completed",
}


def public_state(state: TaskState, *, auction_over: bool = False) -> str:
    """Return the public name of a state: assigned, running, completed, failed, disputed, refunded, or the state.

    An open task whose auction is over is `ended`: it takes no more bids, its buyer may still choose a winner.
    """
    if state is TaskState.OPEN and auction_over:
        return "ended"
    return _PUBLIC.get(state, state.value)
