"""Works while stretches are missing: retries the hole, reads what lies above it, and projects that once it may.

Invariants: those of `indexer.store.gaps`. The lowest gap starts right above the cursor, or everything between them is
held. The hole is tried once a turn; a turn holds a few stretches above it, so a hole that stays costs no standstill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from indexer.chain.errors import ChainError, InconsistentNodeError
from indexer.chain.node import Node
from indexer.core.reducer import Reducer
from indexer.reading import HoleError, Reader
from indexer.store.gaps import NOT_READ, Gap
from indexer.store.store import Position, Store

_log = structlog.get_logger("indexer")
_HELD_A_TURN: Final = 8


class Filling:
    """See the module's docstring."""

    def __init__(self, node: Node, store: Store, reducer: Reducer, reader: Reader) -> None:
        self._node = node
        self._store = store
        self._reducer = reducer
        self._reader = reader
        self.gaps: list[Gap] = []

    def load(self, position: Position) -> None:
        """Read what is missing above the cursor."""
        self.gaps = self._store.gaps.all(position.epoch, position.view.head.number)

    def pass_over(self, position: Position, hole: HoleError) -> None:
        """Note a stretch that cannot be read now."""
        _log.error("hole", first=hole.first, last=hole.last, reason=hole.reason)
        self._reader.drop()
        self.gaps = self._store.gaps.note(position.epoch, hole.first, hole.last, hole.reason)

    def turn(self, position: Position, final: int, wait: Callable[[float], object]) -> tuple[Position, bool]:
        """Take the next steps up to block `final`; return the position and whether there was anything to do."""
        at = position.view.head.number
        lowest = self.gaps[0]
        if lowest.first > at + 1:
            return self._project(position, lowest.first - 1), True
        if not lowest.is_open:
            after = self._retry(position, lowest, final, wait)
            if after is not position:
                return after, True
        return position, self._hold_above(position, final, wait)

    def _retry(self, position: Position, gap: Gap, final: int, wait: Callable[[float], object]) -> Position:
        last = min(gap.last, gap.first + self._reader.ranges.size - 1, final)
        if last < gap.first:
            return position
        try:
            stretch = self._reader.read(gap.first, last, until=last, wait=wait)
        except HoleError:
            return position
        except ChainError as error:
            _log.warning("the hole is still there", first=gap.first, last=gap.last, error=str(error))
            self._reader.distrust(str(error), error.provider)
            return position
        if stretch is None:
            return position
        if stretch.found.start.parent_hash != position.view.head.hash:
            raise InconsistentNodeError(f"block {gap.first} does not follow the block before the hole")
        after = self._store.append_range(position, stretch.found.end, stretch.decoded)
        self.load(after)
        _log.info("hole filled", first=gap.first, last=stretch.last, events=len(stretch.decoded), left=len(self.gaps))
        return after

    def _hold_above(self, position: Position, final: int, wait: Callable[[float], object]) -> bool:
        """Hold a few finalised stretches nobody has asked for yet; return whether there were any."""
        for count in range(_HELD_A_TURN):
            gap = next((gap for gap in self.gaps[1:] if gap.reason == NOT_READ and gap.first <= final), None)
            if gap is None:
                return count > 0
            last = min(gap.last, gap.first + self._reader.ranges.size - 1, final)
            try:
                stretch = self._reader.read(gap.first, last, until=min(gap.last, final), wait=wait)
            except HoleError as hole:
                self.pass_over(position, hole)
                continue
            if stretch is not None:
                self.gaps = self._store.gaps.hold(position.epoch, gap.first, stretch.last, stretch.found.logs)
                _log.info("held above a hole", first=gap.first, last=stretch.last, events=len(stretch.found.logs))
        return True

    def _project(self, position: Position, last: int) -> Position:
        """Let held blocks above the cursor, at most up to `last`, enter the projections."""
        first = position.view.head.number + 1
        last = self._store.gaps.reach(first, last, self._reader.ranges.logs)
        start, end = self._node.headers([first, last])
        if start.block.parent_hash != position.view.head.hash:
            raise InconsistentNodeError(f"block {first} does not follow the block before it")
        logs = self._store.gaps.take(position.epoch, first, last)
        after = self._store.append_range(position, end.block, self._reducer.decode(logs))
        self.load(after)
        _log.info("held stretch projected", first=first, last=last, events=len(logs))
        return after
