"""Where the mirror stands, and the block bound and finality grade every other read uses."""

from __future__ import annotations

from typing import Any, Final, assert_never

from sqlalchemy import BigInteger, ColumnElement, RowMapping, ScalarSelect, Table, literal, select, tuple_
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.store.tables import cursor
from indexer.views.types import Origin, SyncStatus

_MOST: Final = 2**63 - 1


class MirrorEmptyError(LookupError):
    """The indexer has not written its first block yet; nothing can be said about the chain."""


def sync_status(s: Session) -> SyncStatus:
    """Return how far the mirror is. Raises MirrorEmptyError before the indexer's first block."""
    row = s.execute(select(cursor)).mappings().one_or_none()
    if row is None:
        raise MirrorEmptyError("the indexer has not started on this database")
    return SyncStatus(
        head_number=row["number"],
        head_time=row["block_time"],
        safe_number=row["safe_number"],
        finalized_number=row["finalized_number"],
        finalized_time=row["finalized_time"],
        updated_at=row["updated_at"],
    )


def bound(min_finality: Finality) -> ScalarSelect[int]:
    """Return the newest block number a read of this finality may use, as a subquery."""
    match min_finality:
        case Finality.SEEN:
            return select(cursor.c.number).scalar_subquery()
        case Finality.SAFE:
            return select(cursor.c.safe_number).scalar_subquery()
        case Finality.FINAL:
            return select(cursor.c.finalized_number).scalar_subquery()
        case _:
            assert_never(min_finality)


def marks() -> tuple[Any, Any]:
    """Return the two columns `origin_of` grades a row by; add them to the select list."""
    return (
        select(cursor.c.safe_number).scalar_subquery().label("mark_safe"),
        select(cursor.c.finalized_number).scalar_subquery().label("mark_final"),
    )


def origin_of(row: RowMapping) -> Origin:
    """Return the origin of a row selected together with `marks()`."""
    number: int = row["block_number"]
    if number <= row["mark_final"]:
        finality = Finality.FINAL
    elif number <= row["mark_safe"]:
        finality = Finality.SAFE
    else:
        finality = Finality.SEEN
    return Origin(
        block_number=number,
        block_hash=bytes(row["block_hash"]),
        tx_hash=bytes(row["tx_hash"]),
        log_index=row["log_index"],
        block_time=row["block_time"],
        finality=finality,
    )


def cursor_of(row: RowMapping) -> str:
    """Return the text that continues a list of append-only rows, newest first, after this row."""
    return f"{row['block_number']}-{row['log_index']}"


def before(table: Table, cursor_text: str) -> ColumnElement[bool]:
    """Return the condition for rows older than a `cursor_of`. Raises ValueError for a text that is none."""
    number, dash, index = cursor_text.partition("-")
    if not (dash and number.isdecimal() and index.isdecimal() and max(int(number), int(index)) <= _MOST):
        raise ValueError("not a cursor")
    place = tuple_(literal(int(number), BigInteger), literal(int(index), BigInteger))
    return tuple_(table.c.block_number, table.c.log_index) < place  # as one comparison, an index is entered there
