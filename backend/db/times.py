"""Between unix seconds, as the chain counts, and aware UTC datetimes, as the database and Python do."""

from __future__ import annotations

import datetime as dt


def moment(seconds: int) -> dt.datetime:
    """Return the aware UTC datetime of unix seconds."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def unix(value: dt.datetime) -> int:
    """Return unix seconds, rounded down, of an aware datetime."""
    return int(value.timestamp())
