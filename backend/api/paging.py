"""Cursors: an opaque string that says after which row the next page begins."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid
from typing import Annotated, Any

from fastapi import Query

from backend.errors import InvalidInput

Cursor = Annotated[str | None, Query(max_length=400)]
Limit = Annotated[int, Query(ge=1, le=100)]


def encode(value: dt.datetime | int, row_id: uuid.UUID | str) -> str:
    """Return the cursor behind a row with this sort value and id."""
    sort = {"t": value.isoformat()} if isinstance(value, dt.datetime) else {"n": str(value)}
    raw = json.dumps([sort, str(row_id)], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str) -> tuple[dt.datetime | int, str]:
    """Return the sort value and the id in a cursor. Raises InvalidInput."""
    try:
        raw: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        sort, row_id = raw
        value = dt.datetime.fromisoformat(sort["t"]) if "t" in sort else int(sort["n"])
        return value, str(row_id)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise InvalidInput("This cursor was not made here.") from error


def decode_with_uuid(cursor: str | None) -> tuple[Any, uuid.UUID] | None:
    """Return the sort value and a UUID, None for no cursor. Raises InvalidInput."""
    if cursor is None:
        return None
    value, row_id = decode(cursor)
    try:
        return value, uuid.UUID(row_id)
    except ValueError as error:
        raise InvalidInput("This cursor was not made here.") from error
