"""Reads the mirror back whole, as row classes, for whoever wants to check it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select

from indexer.core.rows import EventRow, StateRow
from indexer.projections import table_of
from indexer.store.tables import cursor


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent view of the mirror, at the block its cursor names."""

    connection: Connection
    number: int
    hash: bytes

    def state_rows(self, kind: type[StateRow]) -> Iterator[Mapping[str, Any]]:
        """Return every row of a state table."""
        for row in self.connection.execute(select(table_of(kind)), execution_options={"yield_per": 1_000}).mappings():
            yield dict(row)

    def event_rows(self, kind: type[EventRow], first: int, last: int) -> Iterator[Mapping[str, Any]]:
        """Return the rows of an append-only table that come from blocks `first` to `last`."""
        table = table_of(kind)
        statement = select(table).where(table.c.block_number.between(first, last))
        for row in self.connection.execute(statement).mappings():
            yield dict(row)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Open a read-only snapshot. Raises LookupError when the mirror is empty."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        row = connection.execute(select(cursor.c.number, cursor.c.hash)).one_or_none()
        if row is None:
            raise LookupError("the mirror is empty")
        yield Snapshot(connection, row.number, row.hash)
