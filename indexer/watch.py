"""What is wrong right now, as one state for people: `ok` or `stalled` with the reasons.

Invariants: written only when it changes, and not before it is known; a stall never changes what is written to the
projections. `stopped` is written by the loop when it ends for good, not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import structlog

from indexer.store.health import HealthState

_log = structlog.get_logger("indexer")
LAG_ALARM_SECONDS: Final = 30.0

Trouble = Literal["finality", "lag", "node", "hole"]


class Watch:
    """See the module's docstring. `note` stores the state, `clock` counts seconds."""

    def __init__(
        self, note: Callable[[HealthState, str], None], *, clock: Callable[[], float], finality_seconds: float
    ) -> None:
        self._note = note
        self._clock = clock
        self._finality_seconds = finality_seconds
        self._troubles: dict[Trouble, str] = {}
        self._since: dict[Trouble, float] = {}
        self._final: tuple[int, int, float] | None = None
        self._written: tuple[HealthState, str] | None = None

    def finality(self, head: int, final: int, doubt: str) -> None:
        """Note a tip. The alarm rises when blocks come and none becomes final, whatever the node says of it."""
        now = self._clock()
        if self._final is None or final > self._final[0]:
            self._final = (final, head, now)
            self.clear("finality")
            return
        stopped_at, head_then, since = self._final
        if head > head_then and now - since >= self._finality_seconds:
            self._raise("finality", f"no block after {stopped_at} becomes final" + (f": {doubt}" if doubt else ""))

    def trouble(self, kind: Trouble, reason: str) -> bool:
        """Note trouble that may pass; return True when it has lasted long enough to be told, once per stretch."""
        now = self._clock()
        since = self._since.setdefault(kind, now)
        if now - since < LAG_ALARM_SECONDS:
            return False
        self._since[kind] = now
        self._raise(kind, reason)
        return True

    def tell(self, kind: Trouble, reason: str) -> None:
        """Tell trouble at once."""
        self._raise(kind, reason)

    def clear(self, *kinds: Trouble) -> None:
        """This trouble is over."""
        for kind in kinds:
            self._since.pop(kind, None)
            self._troubles.pop(kind, None)
        if self._written is not None:
            self._write()

    def working(self) -> None:
        """The indexer does its work: say so if nothing was said yet."""
        self._write()

    def _raise(self, kind: Trouble, reason: str) -> None:
        if self._troubles.get(kind) != reason:
            self._troubles[kind] = reason
            _log.error("alarm", kind=kind, reason=reason)
        self._write()

    def _write(self) -> None:
        state: HealthState = "stalled" if self._troubles else "ok"
        now = (state, "; ".join(self._troubles[kind] for kind in sorted(self._troubles)))
        if now != self._written:
            self._note(*now)
            self._written = now
