"""How rows enter and leave the database: loading, writing, the undo journal and its use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, select, text

from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import Key, PoolWithdrawSeen, StateRow
from indexer.core.workspace import Workspace
from indexer.failpoints import failpoint
from indexer.projections import table_of
from indexer.store.changes import ARRAYS, FIELDS, SEEN, SEEN_ARRAYS, Changes, Copy, Upsert
from indexer.store.copying import Arrays, copy_in, execute, schema_of

_KEYS: Final[Mapping[type[Any], Arrays]] = {kind: Arrays(table_of(kind), [kind.KEY]) for kind in STATE_ROWS}
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
        keys_are = text(f"{kind.KEY} = ANY(CAST(:wanted AS bytea[]))")
        [array] = _KEYS[kind].literals((key,) for key in wanted)
        for row in connection.execute(select(table).where(keys_are), {"wanted": array}).mappings():
            workspace.load((kind, row[kind.KEY]), kind(**row))


def write(connection: Connection, changes: Changes, *, journal: int | None) -> None:
    """Write raw logs and rows. With `journal`, a block number, former state rows are journaled under it."""
    _copy(connection, changes.logs)
    if journal is not None:
        _remember(connection, changes.changed, journal)
    for upsert in changes.replaced:
        _upsert(connection, upsert)
    for copy in changes.created:
        _copy(connection, copy)
    failpoint("mid_copy")
    for copy in changes.appended:
        _copy(connection, copy)
    if changes.announced is not None:
        _announce(connection, changes.announced)


def _copy(connection: Connection, copy: Copy) -> None:
    form = " (FORMAT binary)" if copy.binary else ""
    statement = f"COPY {schema_of(connection)}.{copy.table} ({', '.join(copy.names)}) FROM STDIN{form}"
    copy_in(connection, statement, copy.text)


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
    schema, names = schema_of(connection), ", ".join(FIELDS[kind])
    sets = ", ".join(f"{name} = excluded.{name}" for name in FIELDS[kind] if name != kind.KEY)
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


def _announce(connection: Connection, literals: Sequence[str]) -> None:
    """Add announced withdrawals; an orphaned block that came back has left its own, and COPY knows no conflicts."""
    execute(
        connection,
        f"INSERT INTO {schema_of(connection)}.{PoolWithdrawSeen.TABLE} ({', '.join(SEEN)}) "  # noqa: S608
        f"SELECT * FROM {SEEN_ARRAYS.unnest} ON CONFLICT DO NOTHING",
        literals,
    )


def _upsert(connection: Connection, upsert: Upsert) -> None:
    kind = upsert.kind
    sets = ", ".join(f"{name} = excluded.{name}" for name in FIELDS[kind] if name != kind.KEY)
    execute(
        connection,
        f"INSERT INTO {schema_of(connection)}.{kind.TABLE} ({', '.join(FIELDS[kind])}) "  # noqa: S608  # our own names
        f"SELECT * FROM {ARRAYS[kind].unnest} ON CONFLICT ({kind.KEY}) DO UPDATE SET {sets}",
        upsert.literals,
    )
