"""Time that passes only when somebody waits: every `time` the modules of indexer and transaction manager look at."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THEIRS: Final = ("indexer.", "backend.txm.")


class Livelock(Exception):
    """The indexer takes step after step and gets nowhere."""


class Clock:
    """A monotonic clock that others move. It has the functions of `time` that are used."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def monotonic(self) -> float:
        """Return seconds."""
        return self.now

    perf_counter = time = monotonic

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@contextmanager
def replaced_time(clock: Clock) -> Iterator[None]:
    """Let every loaded module of `_THEIRS` read this clock."""
    touched = [
        module
        for name, module in sys.modules.items()
        if name.startswith(_THEIRS) and getattr(module, "time", None) is time
    ]
    for module in touched:
        module.time = clock  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in touched:
            module.time = time  # type: ignore[attr-defined]


class Baton(threading.Event):
    """The event that tells a runner to stop, so made that it may go round `rounds` times and waits in no real time."""

    def __init__(self, clock: Clock, rounds: int) -> None:
        super().__init__()
        self._clock = clock
        self._rounds = rounds
        self._looks = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass; return True when the runner has had its rounds."""
        self._clock.sleep(timeout or 0.0)
        self._rounds -= 1
        return self._rounds < 0 or super().is_set()

    def is_set(self) -> bool:
        """Return whether the runner should stop. Raises Livelock when it asks for ever."""
        self._looks += 1
        if self._looks > 1_500:
            raise Livelock("1500 steps in one turn")
        return super().is_set()
