"""Reads finalised stretches: sizes them, and fetches the next ones while the last one is written.

Invariants: a stretch is handed out once, checked and decoded; what was fetched ahead is used only for the block it
starts at. A process that fetches for this one (`indexer.beside`) is used until it is closed or has ended. What
cannot be read (one block and still refused, or wrong or unanswered several times) is a `HoleError`, so that one bad
stretch does not hold up the rest. Nothing here writes; a crash loses only reading.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from indexer.background import Start, Task
from indexer.beside import Beside, GoneError
from indexer.chain.errors import (
    ChainError,
    InconsistentNodeError,
    RangeTooLargeError,
    RateLimitedError,
    TimedOutError,
    TransportError,
)
from indexer.chain.node import Node, Range
from indexer.core.ranges import Hint, Ranges
from indexer.core.reducer import Decoded, Reducer
from indexer.failpoints import failpoint

_log = structlog.get_logger("indexer")
PATIENCE: Final = 3
_AHEAD: Final = 2
"""Stretches fetched ahead at most. Nodes are asked one question at a time all the same."""


class HoleError(Exception):
    """Blocks `first`..`last` cannot be read now. Pass them over and come back."""

    def __init__(self, first: int, last: int, reason: str) -> None:
        super().__init__(f"blocks {first} to {last}: {reason}")
        self.first = first
        self.last = last
        self.reason = reason


_Told = tuple[Range, str]
"""A range, and the provider that told it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Finalised blocks with our logs in them, and who told them."""

    found: Range
    decoded: list[Decoded]
    provider: str

    @property
    def last(self) -> int:
        """The last block."""
        return self.found.end.number


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A stretch being fetched."""

    first: int
    last: int
    task: Task[_Told]


class Reader:
    """See the module's docstring. Used by one thread; what it starts itself only reads."""

    def __init__(
        self, node: Node, reducer: Reducer, ranges: Ranges, *, ahead: Start | None, beside: Beside | None = None
    ) -> None:
        """`ahead` begins the fetching of the next stretch; with None it is fetched when it is wanted.

        `beside` does it in its place, if there is one. It is closed here.
        """
        self.ranges = ranges
        self._beside = beside
        self._node = node
        self._reducer = reducer
        self._start = ahead
        self._ahead: deque[_Ahead] = deque()
        self._failures: Counter[int] = Counter()

    def read(self, first: int, last: int, *, until: int, wait: Callable[[float], object]) -> Stretch | None:
        """Return blocks from `first` on, to `last` or as far as was fetched ahead; None to plan a smaller range.

        `until` is the last finalised block: nothing beyond it is returned, and the next stretches up to it are fetched
        meanwhile. `wait` pauses for seconds where the node asked for a slower rate. Raises HoleError, ChainError,
        UndecodableError.
        """
        try:
            stretch = self._taken(first, last, until, wait)
        except RangeTooLargeError as error:
            if last > first:
                self._shrink(first, last, error.hint, str(error))
                return None
            stretch = self._single(first)
        except RateLimitedError as error:
            self.ranges = self.ranges.limited(error.retry_after)
            raise
        except (InconsistentNodeError, TransportError) as error:
            if isinstance(error, TimedOutError):
                self._shrink(first, last, Hint(), str(error))
            self._lose_patience(first, last, error)
            raise
        failpoint("fetched")
        del self._failures[first]
        self.ranges = self.ranges.answered(stretch.last - first + 1, len(stretch.found.logs))
        if self._start is not None:
            self._look_ahead(self._start, stretch.last, until)
        return stretch

    def drop(self) -> None:
        """Forget what was fetched ahead: the provider is not trusted any more, or the plan has changed."""
        self._ahead.clear()

    def distrust(self, reason: str, provider: str | None) -> None:
        """Ask another provider first than the named one, else than the one that answered last, if there is one."""
        self._node.distrust(reason, provider)
        if self._beside is not None and provider is not None:
            self._beside.distrust(reason, provider)

    def settle(self) -> None:
        """Let go of what only a long backfill needs: from now on stretches are fetched by this process."""
        self.drop()
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.close()

    def _taken(self, first: int, last: int, until: int, wait: Callable[[float], object]) -> Stretch:
        if self._ahead and self._ahead[0].first == first and self._ahead[0].last <= until:
            try:
                return self._stretch(self._ahead.popleft().task.result())
            except GoneError as error:
                _log.warning("the process that reads ahead has ended", error=str(error))
                self.settle()
        self.drop()
        if self.ranges.pause:
            wait(self.ranges.pause)
        return self._stretch(self._fetch(first, last))

    def _look_ahead(self, start: Start, last: int, until: int) -> None:
        """Begin to fetch what comes after block `last`, and after that: the node is asked while we decode."""
        if self._ahead:
            last = self._ahead[-1].last
        while len(self._ahead) < _AHEAD and last < until:
            first, last = last + 1, min(until, last + self.ranges.size)
            self._ahead.append(_Ahead(first, last, self._begun(start, first, last)))

    def _begun(self, start: Start, first: int, last: int) -> Task[_Told]:
        if self._beside is not None:
            try:
                return self._beside.begin(first, last)
            except GoneError as error:
                _log.warning("the process that reads ahead has ended", error=str(error))
                self.settle()
        return start(partial(self._fetch, first, last))

    def _fetch(self, first: int, last: int) -> _Told:
        return self._node.logs_between(first, last), self._node.providers.answered.name

    def _stretch(self, told: _Told) -> Stretch:
        found, provider = told
        return Stretch(found, self._reducer.decode(found.logs), provider)

    def _single(self, number: int) -> Stretch:
        try:
            found = self._node.single(number)
        except RangeTooLargeError as error:
            raise HoleError(number, number, str(error)) from error
        return self._stretch((found, self._node.providers.answered.name))

    def _shrink(self, first: int, last: int, hint: Hint, reason: str) -> None:
        self.ranges = self.ranges.refused(last - first + 1, hint)
        _log.info("smaller range", blocks=self.ranges.size, reason=reason)

    def _lose_patience(self, first: int, last: int, error: ChainError) -> None:
        """Count the failures of a stretch. A node that is down answers nothing at all, and that is no hole."""
        self._failures[first] += 1
        if self._failures[first] < PATIENCE:
            return
        if isinstance(error, InconsistentNodeError) or last == first:
            del self._failures[first]
            raise HoleError(first, last, str(error)) from error
        self._shrink(first, last, Hint(), str(error))
