"""What a stretch of events changes, as text for the database. Pure: nothing here is sent.

Goals: the rows of a backfill are written out while the rows before them are still on their way into the database; one
pass over the rows of a kind, and the place of a log written out once for all rows that come from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded
from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, Key, Place, PoolWithdrawSeen, StateRow, names_of
from indexer.core.workspace import Workspace
from indexer.projections import table_of
from indexer.store.copying import LOG_NAMES, Arrays, Lines, packed_logs
from indexer.store.tables import log

_KINDS: Final[tuple[type[StateRow | EventRow], ...]] = (*STATE_ROWS, *EVENT_ROWS)
FIELDS: Final[Mapping[type[Any], tuple[str, ...]]] = {
    kind: tuple(name for name in names_of(kind) if name != "place") for kind in _KINDS
}
"""The columns of each kind of row, without the place of an append-only one."""
ARRAYS: Final[Mapping[type[Any], Arrays]] = {kind: Arrays(table_of(kind), FIELDS[kind]) for kind in STATE_ROWS}

PLACE: Final = names_of(Place)
SEEN: Final = (*PLACE, *FIELDS[PoolWithdrawSeen])
SEEN_ARRAYS: Final = Arrays(table_of(PoolWithdrawSeen), SEEN)
_SEEN_VALUES: Final = attrgetter(*(f"place.{name}" for name in PLACE), *FIELDS[PoolWithdrawSeen])

_PLACE_LINES: Final = Lines(log, PLACE)
_LINES: Final[Mapping[type[Any], Lines]] = {kind: Lines(table_of(kind), names) for kind, names in FIELDS.items()}
_VALUES: Final[Mapping[type[Any], attrgetter[Any]]] = {kind: attrgetter(*FIELDS[kind]) for kind in STATE_ROWS}


@dataclass(frozen=True, slots=True)
class Copy:
    """Lines of COPY for these columns of a table, or the same in its binary form."""

    table: str
    names: tuple[str, ...]
    text: bytes
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Upsert:
    """Rows of a kind that are there already, as one array literal a column; see `ARRAYS`."""

    kind: type[StateRow]
    literals: list[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything one write adds or replaces. `changed` are the keys of all state rows in it.

    `announced` are withdrawals a block announces, as the literals of `SEEN_ARRAYS`; None for none.
    """

    changed: tuple[Key, ...]
    logs: Copy
    replaced: tuple[Upsert, ...]
    created: tuple[Copy, ...]
    appended: tuple[Copy, ...]
    announced: list[str] | None


def changes_of(decoded: Sequence[Decoded], workspace: Workspace) -> Changes:
    """Return what applying these events, one at least, has put into the workspace."""
    created: dict[type[StateRow], list[StateRow]] = defaultdict(list)
    replaced: dict[type[StateRow], list[StateRow]] = defaultdict(list)
    for key, row in workspace.changed.items():
        (created if key in workspace.created else replaced)[key[0]].append(row)
    logs = [item.log for item in decoded]
    places = _PLACE_LINES.text(logs)
    appended, announced = _appended(logs, places, workspace.appended)
    return Changes(
        changed=tuple(workspace.changed),
        logs=Copy(log.name, LOG_NAMES, packed_logs(logs), binary=True),
        replaced=tuple(_upsert(kind, rows) for kind, rows in replaced.items()),
        created=tuple(_copy(kind.TABLE, FIELDS[kind], _LINES[kind].text(rows)) for kind, rows in created.items()),
        appended=appended,
        announced=SEEN_ARRAYS.literals(map(_SEEN_VALUES, announced)) if announced else None,
    )


def _appended(
    logs: Sequence[RawLog], places: Sequence[str], rows: Iterable[EventRow]
) -> tuple[tuple[Copy, ...], list[EventRow]]:
    """Return the append-only rows, and apart from them the announced withdrawals, which may be there already."""
    grouped: dict[type[EventRow], list[EventRow]] = defaultdict(list)
    for row in rows:
        grouped[type(row)].append(row)
    announced = grouped.pop(PoolWithdrawSeen, [])
    start_of = dict(zip(map(id, logs), places, strict=True))  # the place of a row is the log itself, never a copy
    copies = tuple(
        _copy(
            kind.TABLE,
            (*PLACE, *FIELDS[kind]),
            _LINES[kind].after([start_of[id(row.place)] for row in held], held),
        )
        for kind, held in grouped.items()
    )
    return copies, announced


def _upsert(kind: type[StateRow], rows: Iterable[StateRow]) -> Upsert:
    return Upsert(kind, ARRAYS[kind].literals(map(_VALUES[kind], rows)))


def _copy(table: str, names: tuple[str, ...], lines: Iterable[str]) -> Copy:
    return Copy(table, names, "\n".join(lines).encode())
