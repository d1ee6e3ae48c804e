"""State tables as they were at an older block: the rows of now, with the undo journal applied in the question."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, column, exists, func, literal_column, select, true, union_all

from aicp.rules.primitives import Finality
from indexer.store.columns import SCHEMA
from indexer.store.tables import undo
from indexer.views.sync import bound


def as_of(table: Table, min_finality: Finality) -> FromClause:
    """Return a state table as of the newest block of this finality, with the same columns.

    The journal holds, for every block above the finalised one, the rows as they were before it; so the oldest entry
    above a block says what a row was at that block, and a row without an entry is the same now.
    """
    if min_finality is Finality.SEEN:
        return table
    [key] = table.primary_key.columns
    above = (undo.c.table_name == table.name, undo.c.block_number > bound(min_finality))
    unchanged = select(table).where(~exists().where(*above, undo.c.key == key))
    first = (
        select(undo.c.key, undo.c.before)
        .where(*above)
        .distinct(undo.c.key)
        .order_by(undo.c.key, undo.c.block_number)
        .subquery("first")
    )
    kind: ColumnElement[Any] = literal_column(f"NULL::{SCHEMA}.{table.name}")
    former = (
        func.jsonb_populate_record(kind, first.c.before)
        .table_valued(*(column(each.name, each.type) for each in table.columns))
        .lateral("former")
    )
    changed = select(*former.c).select_from(first.join(former, true())).where(first.c.before.is_not(None))
    return union_all(unchanged, changed).subquery(table.name)
