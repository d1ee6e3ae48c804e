"""Cursors: an opaque string that says after which row the next page begins."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query

from backend.errors import InvalidInput

Cursor = Annotated[str | None, Query(max_length=400)]
Limit = Annotated[int, Query(ge=1, le=100)]
ADDRESS_BYTES: Final = 20
ValueT = TypeVar("ValueT")
RowT = TypeVar("RowT")


def encode(value: dt.datetime | int, row_id: uuid.UUID | str) -> str:
    """Return the cursor behind a row with this sort value and id."""
    sort = {"t": value.isoformat()} if isinstance(value, dt.datetime) else {"n": str(value)}
    raw = json.dumps([sort, str(row_id)], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(
    cursor: str | None, value: Callable[[Any], ValueT], row_id: Callable[[str], RowT]
) -> tuple[ValueT, RowT] | None:
    """Return the sort value and the id in a cursor, each as its reader makes of it, None for no cursor.

    Raises InvalidInput where it holds others: it was made up, or by a list in another order.
    """
    if cursor is None:
        return None
    try:
        raw: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        sort, row = raw
        return value(sort), row_id(str(row))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InvalidInput("This cursor was not made here.") from error


def moment(sort: Any) -> dt.datetime:
    """Read a moment. Raises ValueError, KeyError, TypeError, OverflowError."""
    found = dt.datetime.fromisoformat(sort["t"])
    if found.tzinfo is None:
        raise ValueError("a time of no place")
    return found.astimezone(dt.UTC)


def number(least: int, most: int) -> Callable[[Any], int]:
    """Return what reads a number within bounds. It raises ValueError, KeyError, TypeError, OverflowError."""

    def read(sort: Any) -> int:
        found = int(sort["n"])
        if not least <= found <= most:
            raise ValueError("a number out of bounds")
        return found

    return read


ROW_NUMBER: Final = number(0, 2**63 - 1)
"""Reads the number of a row."""
UNITS: Final = number(0, 2**256 - 1)
"""Reads an amount."""


def address(row: str) -> bytes:
    """Read an account's 20 bytes. Raises ValueError."""
    found = bytes.fromhex(row)
    if len(found) != ADDRESS_BYTES:
        raise ValueError("no address")
    return found


def after_moment(cursor: str | None) -> tuple[dt.datetime, uuid.UUID] | None:
    """Return the moment and the UUID in a cursor, None for no cursor. Raises InvalidInput."""
    return decode(cursor, moment, uuid.UUID)
