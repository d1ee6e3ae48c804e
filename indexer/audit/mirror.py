"""Every row of the mirror against the rows the logs give: state tables by key, append-only tables by stretch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, Protocol

from indexer.audit.book import Book
from indexer.audit.derive import Stretch
from indexer.audit.progress import Progress
from indexer.audit.report import Item, Report, Source
from indexer.core.logs import RawLog
from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, Place, PoolWithdrawSeen, StateRow, names_of
from indexer.core.spelling import spelled
from indexer.store.readback import Snapshot, logs_digest

Values = Mapping[str, Any]
Compare = Callable[[Report], None]
_Order = tuple[int, int, str, str]
"""Block, log index, table, key: the same whatever stretches a chain is read in."""
COMPARED_EVENTS: Final = tuple(kind for kind in EVENT_ROWS if kind is not PoolWithdrawSeen)
"""Announced withdrawals are a memory of unfinalised and orphaned blocks, which no later reader can derive."""
STRAYS: Final = 1_000


class Digest(Protocol):
    """A digest in the making."""

    def update(self, data: bytes, /) -> None:
        """Take more in."""


_ROWS: Final[tuple[type[StateRow | Place | EventRow], ...]] = (*STATE_ROWS, *EVENT_ROWS, Place, RawLog)
_NAMES: Final[Mapping[type[Any], tuple[str, ...]]] = {kind: names_of(kind) for kind in _ROWS}


def compare_state(book: Book, snapshot: Snapshot, report: Report, progress: Progress) -> None:
    """Compare every state table with the rows of the same block, both in the order of their keys."""
    progress.phase("Comparing the mirror", book.size())
    done = 0
    for kind in STATE_ROWS:
        for derived, found in _paired(kind, book, snapshot):
            known: Any = derived or found
            key = "0x" + known[kind.KEY].hex()
            _compare_row(kind.TABLE, key, derived, found, report)
            done += 1
            if done % 100 == 0:
                progress.at(done)


def compare_stretch(stretch: Stretch, snapshot: Snapshot, report: Report) -> bytes:
    """Compare the append-only tables and the raw logs with those of a stretch of blocks, in the order of the chain.

    Return a digest of what the mirror holds of these blocks: while it is the same, so is what was found.
    """
    ours: dict[type[EventRow], dict[str, Values]] = defaultdict(dict)
    for row in stretch.rows:
        values = {name: getattr(row, name) for name in _NAMES[type(row)] if name != "place"}
        values.update((name, getattr(row.place, name)) for name in _NAMES[Place])
        ours[type(row)][_event_key(values)] = values
    state = sha256()
    compared: list[tuple[_Order, Compare]] = []
    for kind in COMPARED_EVENTS:
        theirs = {_event_key(row): row for row in _seen(kind, snapshot, stretch.first, stretch.last.number, state)}
        derived = ours[kind]
        for key in derived.keys() | theirs.keys():
            one, other = derived.get(key), theirs.get(key)
            known: Any = one or other
            order = (known["block_number"], known["log_index"], kind.TABLE, key)
            compared.append((order, partial(_compare_row, kind.TABLE, key, one, other)))
    compared += _logs_to_compare(stretch, snapshot, report, state)
    for _, compare in sorted(compared, key=itemgetter(0)):
        compare(report)
    return state.digest()


def unchanged(book: Book, snapshot: Snapshot, progress: Progress) -> bool:
    """Return whether the mirror holds of all blocks the book has taken what it held when they were compared."""
    if book.position is None or book.position.number > snapshot.number:
        return False
    stretches = book.stretches()
    progress.phase("Looking for changes", len(stretches))
    for number, (first, last, digest) in enumerate(stretches):
        state = sha256()
        for kind in COMPARED_EVENTS:
            _seen(kind, snapshot, first, last, state)
        _note(state, snapshot.logs_digest(first, last))
        if state.digest() != digest:
            return False
        progress.at(number)
    return True


def compare_outside(first: int, snapshot: Snapshot, report: Report) -> None:
    """Report rows of blocks that cannot have any: before the contracts were there, and after the mirror's block.

    Raw logs may be ahead of the projections only while a range is missing.
    """
    for kind in COMPARED_EVENTS:
        for row in snapshot.strays(kind, first, STRAYS):
            _compare_row(kind.TABLE, _event_key(row), None, row, report)
    ahead = bool(snapshot.missing_ranges())
    for log in snapshot.stray_logs(first, STRAYS):
        if log.block_number < first or not ahead:
            _compare_log(None, log, report)


def _paired(kind: type[StateRow], book: Book, snapshot: Snapshot) -> Iterator[tuple[Values | None, Values | None]]:
    """Merge two streams in the order of the key."""
    ours: Iterator[Values] = ({name: getattr(row, name) for name in _NAMES[kind]} for row in book.rows(kind))
    theirs = snapshot.state_rows(kind)
    derived, found = next(ours, None), next(theirs, None)
    while derived is not None or found is not None:
        if found is None or (derived is not None and derived[kind.KEY] < found[kind.KEY]):
            yield derived, None
            derived = next(ours, None)
        elif derived is None or found[kind.KEY] < derived[kind.KEY]:
            yield None, found
            found = next(theirs, None)
        else:
            yield derived, found
            derived, found = next(ours, None), next(theirs, None)


def _compare_row(table: str, key: str, derived: Values | None, found: Values | None, report: Report) -> None:
    known: Values = derived or found or {}
    item = Item(Source.MIRROR, table, key, known.get("block_number"), known.get("tx_hash"))
    what = f"{table} rows against the mirror"
    report.compare(what, item, "(row)", _presence(found), _presence(derived))
    if derived is None or found is None:
        return
    for column, value in derived.items():
        if found[column] != value:
            report.differ(item, column, found[column], value)
        elif report.lines is not None:
            report.lines.add(item, column, found[column], value)


def _seen(kind: type[EventRow], snapshot: Snapshot, first: int, last: int, state: Digest) -> list[Values]:
    """Return the mirror's rows of these blocks, and take them into the digest in an order of their own."""
    rows = list(snapshot.event_rows(kind, first, last))
    _note(state, (kind.TABLE, sorted(repr(sorted(row.items())) for row in rows)))
    return rows


def _note(state: Digest, value: object) -> None:
    state.update(sha256(repr(value).encode()).digest())


def _logs_to_compare(
    stretch: Stretch, snapshot: Snapshot, report: Report, state: Digest
) -> list[tuple[_Order, Compare]]:
    """Count the raw logs as compared, and return how to compare each of them if they are not all the same."""
    first, last = stretch.first, stretch.last.number
    report.checked["raw logs against the mirror"] += len(stretch.logs)
    held = snapshot.logs_digest(first, last)
    _note(state, held)
    if logs_digest(stretch.logs) == held:
        return []
    ours = {(log.block_number, log.log_index): log for log in stretch.logs}
    theirs = {(log.block_number, log.log_index): log for log in snapshot.logs(first, last)}
    return [
        ((*place, "log", ""), partial(_compare_log, ours.get(place), theirs.get(place)))
        for place in ours.keys() | theirs.keys()
    ]


def _compare_log(derived: RawLog | None, found: RawLog | None, report: Report) -> None:
    """Raw logs are counted by the stretch, so only those that differ have lines of their own."""
    known: Any = derived or found
    item = Item(Source.MIRROR, "log", f"{known.block_number}-{known.log_index}", known.block_number, known.tx_hash)
    if derived is None or found is None:
        report.differ(item, "(row)", _presence(found), _presence(derived))
        return
    for name in _NAMES[RawLog]:
        if getattr(found, name) != getattr(derived, name):
            report.differ(item, name, getattr(found, name), getattr(derived, name))


def _event_key(values: Values) -> str:
    parts = [f"{values['block_number']}-{values['log_index']}"]
    parts += [str(spelled(values[name])) for name in ("ledger_id", "account") if name in values]
    return "/".join(parts)


def _presence(row: object | None) -> str:
    return "absent" if row is None else "present"
