"""Rows from logs alone: the reducers run over the whole history, a stretch of blocks at a time, rows kept in a book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aicp.abi import arbiter as arbiter_abi
from indexer.audit.book import Book
from indexer.audit.contribution import Contribution
from indexer.audit.patience import Patient
from indexer.background import Task, Threaded
from indexer.chain.errors import InconsistentNodeError, RangeTooLargeError
from indexer.chain.node import Range
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded, Reducer
from indexer.core.rows import EventRow
from indexer.core.workspace import Workspace

LOGS: Final = 5_000
"""How many logs a stretch should have; what is held in memory follows from it, not from the length of the chain."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks `first` to `last`, their logs, and the append-only rows these make."""

    first: int
    last: Block
    logs: list[RawLog]
    rows: list[EventRow]


@dataclass(slots=True)
class History:
    """The state after every block taken so far; `next_block` is the first one not taken, `previous` the hash below."""

    chain: Patient
    reducer: Reducer
    book: Book
    next_block: int
    previous: bytes | None = None
    range_blocks: int = 16
    most_blocks: int = 2_000

    def advance(self, to: Block) -> Iterator[Stretch]:
        """Take the blocks up to `to`. Raises ChainError, UndecodableError.

        InconsistentNodeError where a stretch does not continue the one before, or does not end in that very block.
        """
        ahead: Task[Range] | None = None
        while self.next_block <= to.number:
            first = self.next_block
            last = min(to.number, first + self.range_blocks - 1)
            try:
                found = self.chain.logs_between(first, last) if ahead is None else ahead.result()
            except RangeTooLargeError:
                if self.range_blocks == 1:
                    raise
                self.most_blocks = self.range_blocks = max(1, (last - first + 1) // 2)
                ahead = None
                continue
            if self.previous is not None and found.start.parent_hash != self.previous:
                raise InconsistentNodeError(f"block {first} does not continue what was read before")
            if last == to.number and found.end.hash != to.hash:
                raise InconsistentNodeError(f"block {last} was replaced while it was read")
            self._pace(len(found.logs))
            ahead = self._fetch(last + 1, to.number)
            rows = self._apply(found.logs)
            self.next_block, self.previous = last + 1, found.end.hash
            yield Stretch(first, found.end, found.logs, rows)

    def _fetch(self, first: int, end: int) -> Task[Range] | None:
        """Begin to ask for the next stretch: the node works while we do."""
        last = min(end, first + self.range_blocks - 1)
        return None if last < first else Threaded(partial(self.chain.logs_between, first, last))

    def _apply(self, logs: Sequence[RawLog]) -> list[EventRow]:
        decoded, workspace = self.reducer.decode(logs), Workspace()
        pending: Sequence[Decoded] = decoded
        while pending:
            missing, pending = self.reducer.missing(pending, workspace)
            for key, row in self.book.load(missing):
                workspace.load(key, row)
        self.reducer.apply(decoded, workspace)
        self.book.put(workspace.changed.values())
        for item in decoded:
            if isinstance(item.event, arbiter_abi.AppealContributed | arbiter_abi.ContributionReturned):
                self._contribution(item)
        return workspace.appended

    def _contribution(self, item: Decoded) -> None:
        event = item.event
        dispute_id = event.dispute_id.to_bytes(32, "big")
        key = dispute_id + bytes([event.round]) + event.account
        row = self.book.find(Contribution, key) or Contribution(
            contribution_id=key, dispute_id=dispute_id, round_number=event.round, account=event.account
        )
        match event:
            case arbiter_abi.AppealContributed(side=1):
                row.first_units += event.amount
            case arbiter_abi.AppealContributed():
                row.second_units += event.amount
            case _:  # whatever of it comes back, the rest paid the next round
                row.first_units = row.second_units = 0
        row.moved(item.place)
        self.book.put([row])

    def _pace(self, logs: int) -> None:
        if logs > 2 * LOGS:
            self.range_blocks = max(1, self.range_blocks * LOGS // logs)
        elif logs < LOGS // 2:
            self.range_blocks = min(self.most_blocks, self.range_blocks * 2)
