"""One short text for everything a mirror says: equal for equal rows, whichever road led to them.

Goals: two mirrors are compared in constant memory, at any size; where they differ, the table is named.

Read are the columns of every state and event table and of the raw logs up to the cursor; left out are the tables that
tell how this mirror came here: cursor, window of blocks, journal, health, dead letters, withdrawals seen in orphaned
blocks. Each row is hashed inside the database, and the hashes of a table are added, so the order of rows does not
matter and two equal rows are not one. It guards against mistakes, not against somebody who may write to the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, text

from indexer.core.registry import EVENT_ROWS, STATE_ROWS
from indexer.core.rows import EventRow, PoolWithdrawSeen, StateRow
from indexer.projections import table_of
from indexer.store.tables import log

_KINDS: Final[tuple[type[StateRow | EventRow], ...]] = (*STATE_ROWS, *EVENT_ROWS)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    table.name: tuple(sorted(column.name for column in table.columns))
    for table in (*(table_of(kind) for kind in _KINDS if kind is not PoolWithdrawSeen), log)
}
"""What is compared, by table."""

_WORDS: Final = ", ".join(f"sum(('x' || substr(hashed, {first}, 15))::bit(60)::bigint)" for first in (1, 16, 31, 46))


def state_digest(connection: Connection, schema: str) -> str:
    """Return the hex digest of the mirror in this schema: a physical one, or `chain`, the published views."""
    return digest_of(table_digests(connection, schema))


def table_digests(
    connection: Connection, schema: str, columns: Mapping[str, Sequence[str]] = COLUMNS
) -> dict[str, str]:
    """Return the hex digest of each table, over these columns of it."""
    connection.execute(text("SELECT set_config('bytea_output', 'hex', true)"))
    return {table: _of_table(connection, schema, table, columns[table]) for table in sorted(columns)}


def digest_of(tables: Mapping[str, str]) -> str:
    """Return the one digest of the digests of all tables."""
    return _hash(part for table in sorted(tables) for part in (table, tables[table]))


def shared_columns(
    connection: Connection, one: str, other: str, columns: Mapping[str, Sequence[str]] = COLUMNS
) -> dict[str, tuple[str, ...]]:
    """Return those of the columns that schemas of two versions both have; they can be compared and copied."""
    held = [_columns_held(connection, schema) for schema in (one, other)]
    return {
        table: names
        for table, wanted in columns.items()
        if (names := tuple(name for name in wanted if all((table, name) in each for each in held)))
    }


def _of_table(connection: Connection, schema: str, table: str, columns: Sequence[str]) -> str:
    # logs held above a gap are not part of what the mirror says
    only = f" WHERE block_number <= (SELECT number FROM {schema}.cursor)" if table == log.name else ""  # noqa: S608
    names = ", ".join(f'"{name}"' for name in columns)
    row = connection.execute(
        text(
            f"SELECT count(*), {_WORDS} FROM ("  # noqa: S608  # our own names
            f"SELECT encode(sha256(convert_to(ROW({names})::text, 'UTF8')), 'hex') AS hashed "
            f"FROM {schema}.{table}{only}) AS rows"
        )
    ).one()
    return _hash([*columns, *(str(value or 0) for value in row)])


def _columns_held(connection: Connection, schema: str) -> set[tuple[str, str]]:
    found = connection.execute(
        text("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = :schema"),
        {"schema": schema},
    )
    return {(row.table_name, row.column_name) for row in found}


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
