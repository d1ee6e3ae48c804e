"""How row objects enter and leave the database: loading, writing, the undo journal and its use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, any_, delete, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from indexer.core.logs import RawLog
from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, Key, Place, PoolWithdrawSeen, StateRow
from indexer.core.workspace import Workspace
from indexer.failpoints import failpoint
from indexer.projections import table_of
from indexer.store.copying import Arrays, Lines, copy_in, execute, schema_of
from indexer.store.tables import log

_KINDS: Final[tuple[type[StateRow | EventRow], ...]] = (*STATE_ROWS, *EVENT_ROWS)
_FIELDS: Final[Mapping[type[Any], tuple[str, ...]]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "place") for kind in _KINDS
}
_PLACE: Final = tuple(field.name for field in fields(Place))
_LOG: Final = tuple(field.name for field in fields(RawLog))
_VALUES: Final[Mapping[type[Any], attrgetter[Any]]] = {
    **{kind: attrgetter(*names) for kind, names in _FIELDS.items()},
    Place: attrgetter(*_PLACE),
    RawLog: attrgetter(*_LOG),
}
_LINES: Final[Mapping[type[Any], Lines]] = {
    **{kind: Lines(table_of(kind), names) for kind, names in _FIELDS.items()},
    Place: Lines(log, _PLACE),
    RawLog: Lines(log, _LOG),
}
_ARRAYS: Final[Mapping[type[Any], Arrays]] = {kind: Arrays(table_of(kind), _FIELDS[kind]) for kind in STATE_ROWS}
_KEYS: Final[Mapping[type[Any], Arrays]] = {kind: Arrays(table_of(kind), [kind.KEY]) for kind in STATE_ROWS}
_SEEN: Final = (*_PLACE, *_FIELDS[PoolWithdrawSeen])
_SEEN_VALUES: Final = attrgetter(*(f"place.{name}" for name in _PLACE), *_FIELDS[PoolWithdrawSeen])
_SEEN_ARRAYS: Final = Arrays(table_of(PoolWithdrawSeen), _SEEN)
REVERTED: Final = tuple(kind for kind in EVENT_ROWS if kind is not PoolWithdrawSeen)
"""Append-only rows a reorg deletes; an announced withdrawal is remembered until its height is final."""


def load(connection: Connection, workspace: Workspace, keys: Iterable[Key]) -> None:
    """Load the state rows of these keys into the workspace, absent ones as None."""
    by_kind: dict[type[StateRow], list[bytes]] = defaultdict(list)
    for kind, key in keys:
        by_kind[kind].append(key)
        workspace.load((kind, key), None)
    for kind, wanted in by_kind.items():
        table = table_of(kind)
        statement = select(table).where(table.c[kind.KEY] == any_(literal(wanted, ARRAY(BYTEA))))
        for row in connection.execute(statement).mappings():
            workspace.load((kind, row[kind.KEY]), kind(**row))


def write_logs(connection: Connection, logs: Sequence[RawLog]) -> None:
    """Write the raw logs."""
    _copy(connection, log.name, _LOG, _LINES[RawLog].text(map(_VALUES[RawLog], logs)))


def write(connection: Connection, workspace: Workspace, *, journal: int | None) -> None:
    """Write what the workspace changed. With `journal`, a block number, former rows are journaled under it."""
    created: dict[type[StateRow], list[StateRow]] = defaultdict(list)
    replaced: dict[type[StateRow], list[StateRow]] = defaultdict(list)
    for key, row in workspace.changed.items():
        (created if key in workspace.created else replaced)[key[0]].append(row)
    if journal is not None:
        _remember(connection, workspace.changed, journal)
    for kind, rows in replaced.items():
        _upsert(connection, kind, rows)
    for kind, rows in created.items():
        _copy(connection, kind.TABLE, _FIELDS[kind], _LINES[kind].text(map(_VALUES[kind], rows)))
    failpoint("mid_copy")
    _append(connection, workspace.appended)


def _copy(connection: Connection, table: str, names: Sequence[str], lines: Sequence[str]) -> None:
    copy_in(connection, f"COPY {schema_of(connection)}.{table} ({', '.join(names)}) FROM STDIN", lines)


def _append(connection: Connection, appended: Iterable[EventRow]) -> None:
    places: list[Place] = []
    grouped: dict[type[EventRow], tuple[list[EventRow], list[int]]] = {}
    last: Place | None = None
    for row in appended:
        if row.place is not last:  # the rows of one log come one after the other and share its place
            last = row.place
            places.append(last)
        kind = type(row)
        if kind not in grouped:
            grouped[kind] = ([], [])
        rows, origins = grouped[kind]
        rows.append(row)
        origins.append(len(places) - 1)
    prefixes = _LINES[Place].text(map(_VALUES[Place], places)) if places else []
    for kind, (rows, origins) in grouped.items():
        if kind is PoolWithdrawSeen:
            _announce(connection, rows)
            continue
        own = _LINES[kind].text(map(_VALUES[kind], rows))
        lines = [f"{prefixes[at]}\t{line}" for at, line in zip(origins, own, strict=True)]
        _copy(connection, kind.TABLE, (*_PLACE, *_FIELDS[kind]), lines)


def undo_above(connection: Connection, number: int) -> None:
    """Put every state row back to what it was after block `number`, and delete the append-only rows above it."""
    for kind in STATE_ROWS:
        _restore(connection, kind, number)
    for event_kind in REVERTED:
        table = table_of(event_kind)
        connection.execute(delete(table).where(table.c.block_number > number))


def _remember(connection: Connection, changed: Iterable[Key], number: int) -> None:
    """Journal the rows of these keys as they still are in the database."""
    by_kind: dict[type[StateRow], list[tuple[bytes]]] = defaultdict(list)
    for kind, key in changed:
        by_kind[kind].append((key,))
    schema = schema_of(connection)
    for kind, keys in by_kind.items():
        execute(
            connection,
            f"INSERT INTO {schema}.undo (block_number, table_name, key, before) "  # noqa: S608  # our own names
            f"SELECT %s::bigint, '{kind.TABLE}', wanted.key, to_jsonb(held) "
            f"FROM {_KEYS[kind].unnest} AS wanted (key) "
            f"LEFT JOIN {schema}.{kind.TABLE} AS held ON held.{kind.KEY} = wanted.key",
            [number, *_KEYS[kind].literals(keys)],
        )


def _restore(connection: Connection, kind: type[StateRow], number: int) -> None:
    schema, names = schema_of(connection), ", ".join(_FIELDS[kind])
    sets = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[kind] if name != kind.KEY)
    first = (
        f"SELECT DISTINCT ON (key) key, before FROM {schema}.undo "  # noqa: S608  # our own names
        f"WHERE table_name = '{kind.TABLE}' AND block_number > :number ORDER BY key, block_number"
    )
    connection.execute(
        text(
            f"DELETE FROM {schema}.{kind.TABLE} AS held USING ({first}) AS old "  # noqa: S608  # our own names
            f"WHERE held.{kind.KEY} = old.key AND old.before IS NULL"
        ),
        {"number": number},
    )
    connection.execute(
        text(
            f"INSERT INTO {schema}.{kind.TABLE} ({names}) SELECT {names} FROM ("  # noqa: S608  # our own names
            f"SELECT (jsonb_populate_record(NULL::{schema}.{kind.TABLE}, old.before)).* FROM ({first}) AS old "
            f"WHERE old.before IS NOT NULL) AS was ON CONFLICT ({kind.KEY}) DO UPDATE SET {sets}"
        ),
        {"number": number},
    )


def _announce(connection: Connection, rows: Iterable[EventRow]) -> None:
    """Add announced withdrawals; an orphaned block that came back has left its own, and COPY knows no conflicts."""
    execute(
        connection,
        f"INSERT INTO {schema_of(connection)}.{PoolWithdrawSeen.TABLE} ({', '.join(_SEEN)}) "  # noqa: S608
        f"SELECT * FROM {_SEEN_ARRAYS.unnest} ON CONFLICT DO NOTHING",
        _SEEN_ARRAYS.literals(map(_SEEN_VALUES, rows)),
    )


def _upsert(connection: Connection, kind: type[StateRow], rows: Iterable[StateRow]) -> None:
    names, arrays = ", ".join(_FIELDS[kind]), _ARRAYS[kind]
    sets = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[kind] if name != kind.KEY)
    execute(
        connection,
        f"INSERT INTO {schema_of(connection)}.{kind.TABLE} ({names}) "  # noqa: S608  # our own names
        f"SELECT * FROM {arrays.unnest} ON CONFLICT ({kind.KEY}) DO UPDATE SET {sets}",
        arrays.literals(map(_VALUES[kind], rows)),
    )
