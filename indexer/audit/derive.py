"""Rows from logs alone: the reducers run over the whole history in memory, nothing is read from any database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from indexer.chain.errors import RangeTooLargeError
from indexer.chain.node import Node
from indexer.core.reducer import Reducer
from indexer.core.rows import EventRow, StateRow
from indexer.core.workspace import Workspace

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks `first`..`last` and the append-only rows their logs make."""

    first: int
    last: int
    events: int
    rows: list[EventRow]


@dataclass(slots=True)
class History:
    """The state after every block taken so far; `next_block` is the first one not taken."""

    node: Node
    reducer: Reducer
    next_block: int
    range_blocks: int = 2_000
    workspace: Workspace = field(default_factory=Workspace)

    def advance(self, to: int) -> Iterator[Stretch]:
        """Take the blocks up to `to`, in ranges. Raises ChainError, UndecodableError."""
        while self.next_block <= to:
            last = min(to, self.next_block + self.range_blocks - 1)
            try:
                found = self.node.logs_between(self.next_block, last)
            except RangeTooLargeError:
                if self.range_blocks == 1:
                    raise
                self.range_blocks //= 2
                continue
            decoded = self.reducer.decode(found.logs)
            while missing := self.workspace.missing(self.reducer.keys(decoded, self.workspace)):
                for key in missing:
                    self.workspace.load(key, None)
            self.reducer.apply(decoded, self.workspace)
            stretch = Stretch(self.next_block, last, len(decoded), self.workspace.appended)
            self.workspace.appended = []
            self.next_block = last + 1
            yield stretch

    def state(self) -> list[StateRow]:
        """Return every state row."""
        return list(self.workspace.changed.values())
