"""Work that goes on beside the loop: fetching the next stretch, writing the last one.

Invariants: what the work raises is raised where its result is wanted, once. A thread that is still at work when the
process ends dies with it: whatever the node or the database does, nothing waits for it, and a transaction without its
COMMIT leaves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Task(Protocol[T_co]):
    """Work whose result can be asked for once."""

    def result(self) -> T_co:
        """Wait for the work and return its result, or raise what it raised."""


class Threaded(Generic[T]):
    """Work done by a thread of its own, from now on."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def result(self) -> T:
        """See `Task`."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._done[0]

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001  # raised again where the result is wanted
            self._error = error


class Deferred(Generic[T]):
    """Work done when its result is wanted: the latest a thread could be, and always the same."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work

    def result(self) -> T:
        """See `Task`."""
        return self._work()


class Start(Protocol):
    """A way to begin work: `Threaded` or `Deferred`."""

    def __call__(self, work: Callable[[], T], /) -> Task[T]:
        """Begin and return at once."""
