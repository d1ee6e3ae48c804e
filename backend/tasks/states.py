"""The names the public API gives to task states."""

from __future__ import annotations

from typing import Final

from backend.domain.task_states import TaskState

_PUBLIC: Final[dict[TaskState, str]] = {
    TaskState.DELIVERED: "running",
    TaskState.REJECTED: "refunded",
    TaskState.SPLIT: "completed",
}


def public_state(state: TaskState) -> str:
    """Return the public name of a state: assigned, running, completed, failed, disputed, refunded, or the state."""
    return _PUBLIC.get(state, state.value)
