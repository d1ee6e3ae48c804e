"""How row objects enter and leave the database: loading, writing, the undo journal and its use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, any_, bindparam, delete, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, insert

from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, Key, Place, PoolWithdrawSeen, StateRow
from indexer.core.workspace import Workspace
from indexer.projections import table_of
from indexer.store.schema import physical_of

_PLACE_FIELDS: Final = tuple(field.name for field in fields(Place))
_KINDS: Final[tuple[type[StateRow | EventRow], ...]] = (*STATE_ROWS, *EVENT_ROWS)
_FIELDS: Final[Mapping[type[Any], tuple[str, ...]]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "place") for kind in _KINDS
}
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


def write(connection: Connection, workspace: Workspace, *, journal: int | None) -> None:
    """Write what the workspace changed. With `journal`, a block number, former rows are journaled under it."""
    changed: dict[type[StateRow], list[StateRow]] = defaultdict(list)
    for (kind, _), row in workspace.changed.items():
        changed[kind].append(row)
    for kind, rows in changed.items():
        if journal is not None:
            _remember(connection, kind, rows, journal)
        _upsert(connection, kind, [{name: getattr(row, name) for name in _FIELDS[kind]} for row in rows])
    appended: dict[type[EventRow], list[dict[str, Any]]] = defaultdict(list)
    for added in workspace.appended:
        values = {name: getattr(added, name) for name in _FIELDS[type(added)]}
        values.update((name, getattr(added.place, name)) for name in _PLACE_FIELDS)
        appended[type(added)].append(values)
    for event_kind, values_list in appended.items():
        statement = insert(table_of(event_kind))
        if event_kind is PoolWithdrawSeen:
            statement = statement.on_conflict_do_nothing()
        connection.execute(statement, values_list)


def undo_above(connection: Connection, number: int) -> None:
    """Put every state row back to what it was after block `number`, and delete the append-only rows above it."""
    for kind in STATE_ROWS:
        _restore(connection, kind, number)
    for event_kind in REVERTED:
        table = table_of(event_kind)
        connection.execute(delete(table).where(table.c.block_number > number))


def _remember(connection: Connection, kind: type[StateRow], rows: Sequence[StateRow], number: int) -> None:
    physical = physical_of(connection)
    connection.execute(
        text(
            f"INSERT INTO {physical}.undo (block_number, table_name, key, before) "  # noqa: S608  # our own names
            f"SELECT :number, '{kind.TABLE}', wanted.key, to_jsonb(held) FROM unnest(:keys) AS wanted (key) "
            f"LEFT JOIN {physical}.{kind.TABLE} AS held ON held.{kind.KEY} = wanted.key"
        ).bindparams(bindparam("keys", type_=ARRAY(BYTEA))),
        {"number": number, "keys": [getattr(row, kind.KEY) for row in rows]},
    )


def _restore(connection: Connection, kind: type[StateRow], number: int) -> None:
    physical = physical_of(connection)
    names = ", ".join(_FIELDS[kind])
    sets = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[kind] if name != kind.KEY)
    first = (
        f"SELECT DISTINCT ON (key) key, before FROM {physical}.undo "  # noqa: S608  # our own names
        f"WHERE table_name = '{kind.TABLE}' AND block_number > :number ORDER BY key, block_number"
    )
    connection.execute(
        text(
            f"DELETE FROM {physical}.{kind.TABLE} AS held USING ({first}) AS old "  # noqa: S608  # our own names
            f"WHERE held.{kind.KEY} = old.key AND old.before IS NULL"
        ),
        {"number": number},
    )
    connection.execute(
        text(
            f"INSERT INTO {physical}.{kind.TABLE} ({names}) SELECT {names} FROM ("  # noqa: S608  # our own names
            f"SELECT (jsonb_populate_record(NULL::{physical}.{kind.TABLE}, old.before)).* FROM ({first}) AS old "
            f"WHERE old.before IS NOT NULL) AS was ON CONFLICT ({kind.KEY}) DO UPDATE SET {sets}"
        ),
        {"number": number},
    )


def _upsert(connection: Connection, kind: type[StateRow], values: list[dict[str, Any]]) -> None:
    statement = insert(table_of(kind))
    excluded = {name: statement.excluded[name] for name in _FIELDS[kind] if name != kind.KEY}
    connection.execute(statement.on_conflict_do_update(index_elements=[kind.KEY], set_=excluded), values)
