"""Stretches of finalised blocks that could not be read, and raw logs held above them.

Goals: what can be read is read; the cursor and the projections stop before the first missing block; each log enters the
projections once, whatever order the stretches came in.

Invariants: while `missing_range` has any row, every block above the cursor is either in one of the rows or held: its
logs are in `log`, and nothing else knows them. The last row is open: it ends at `OPEN_END`. The first row is never
at or below the cursor for long: a crash between the write of a stretch and `trim` leaves it there, and `trim` at the
next start takes it away. Every change first locks the cursor and compares its epoch: LostRaceError.

Held logs go into the projections through `take` (they leave `log`, and their stretch is missing again) and the store's
`append_range`, as if a node had just sent them. A crash between the two costs one more read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from indexer.core.logs import RawLog
from indexer.store.errors import LostRaceError
from indexer.store.tables import cursor, log, missing_range

OPEN_END: Final = 2**62
NOT_READ: Final = "not read yet"


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing blocks `first`..`last` and why."""

    first: int
    last: int
    reason: str

    @property
    def is_open(self) -> bool:
        """Whether it is only what nobody has asked for yet."""
        return self.last == OPEN_END


def cut(gaps: Sequence[Gap], first: int, last: int) -> list[Gap]:
    """Return the gaps without blocks `first`..`last`."""
    left: list[Gap] = []
    for gap in gaps:
        if gap.first < first:
            left.append(Gap(gap.first, min(gap.last, first - 1), gap.reason))
        if gap.last > last:
            left.append(Gap(max(gap.first, last + 1), gap.last, gap.reason))
    return left


def read(connection: Connection) -> list[Gap]:
    """Return the gaps, rising."""
    found = connection.execute(select(missing_range).order_by(missing_range.c.first)).all()
    return [Gap(row.first, row.last, row.reason) for row in found]


def note(connection: Connection, first: int, last: int, reason: str) -> list[Gap]:
    """Pass blocks over for now; everything above them is missing too until it is held."""
    gaps = read(connection) or [Gap(first, OPEN_END, NOT_READ)]
    return _write(connection, [*cut(gaps, first, last), Gap(first, last, reason)])


def hold(connection: Connection, first: int, last: int, logs: Sequence[RawLog]) -> list[Gap]:
    """Keep the logs of missing blocks `first`..`last` above a gap."""
    if logs:
        connection.execute(pg_insert(log).on_conflict_do_nothing(), [log_values(raw) for raw in logs])
    return _write(connection, cut(read(connection), first, last))


def take(connection: Connection, first: int, last: int) -> list[RawLog]:
    """Return the held logs of these blocks, in order, and let the blocks be missing again."""
    within = log.c.block_number.between(first, last)
    found = connection.execute(select(log).where(within).order_by(log.c.block_number, log.c.log_index)).all()
    connection.execute(delete(log).where(within))
    _write(connection, [*cut(read(connection), first, last), Gap(first, last, NOT_READ)])
    return [
        RawLog(
            block_number=row.block_number, block_hash=bytes(row.block_hash), tx_hash=bytes(row.tx_hash),
            log_index=row.log_index, address=bytes(row.address), topics=tuple(bytes(topic) for topic in row.topics),
            data=bytes(row.data), block_time=row.block_time,
        )
        for row in found
    ]  # fmt: skip


def reach(connection: Connection, first: int, last: int, count: int) -> int:
    """Return the last block up to which about `count` held logs lie from `first` on, at most `last`."""
    numbers = select(log.c.block_number).where(log.c.block_number.between(first, last))
    found = connection.execute(numbers.order_by(log.c.block_number).offset(count).limit(1)).scalar_one_or_none()
    return last if found is None else max(first, int(found) - 1)


def trim(connection: Connection, number: int) -> list[Gap]:
    """Forget what is missing up to the block the cursor stands at; without a gap above it nothing is missing."""
    left = cut(read(connection), 0, number)
    done = len(left) == 1 and left[0].is_open and left[0].first == number + 1
    return _write(connection, [] if done else left)


def _write(connection: Connection, gaps: Sequence[Gap]) -> list[Gap]:
    connection.execute(delete(missing_range))
    rising = sorted(gaps, key=lambda gap: gap.first)
    if rising:
        rows = [{"first": gap.first, "last": gap.last, "reason": gap.reason} for gap in rising]
        connection.execute(insert(missing_range), rows)
    return rising


def log_values(raw: RawLog) -> dict[str, Any]:
    """Return the columns of a raw log."""
    return {
        "block_number": raw.block_number, "log_index": raw.log_index, "block_hash": raw.block_hash,
        "tx_hash": raw.tx_hash, "block_time": raw.block_time, "address": raw.address, "topics": list(raw.topics),
        "data": raw.data,
    }  # fmt: skip


class Gaps:
    """The functions above, each in a transaction of its own that holds the cursor against another indexer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, epoch: int, number: int) -> list[Gap]:
        """Return what is missing above block `number`, where the cursor stands. Raises LostRaceError."""
        with self._engine.begin() as connection:
            _lock(connection, epoch)
            return trim(connection, number) if read(connection) else []

    def note(self, epoch: int, first: int, last: int, reason: str) -> list[Gap]:
        """See `note`. Raises LostRaceError."""
        with self._engine.begin() as connection:
            _lock(connection, epoch)
            return note(connection, first, last, reason)

    def hold(self, epoch: int, first: int, last: int, logs: Sequence[RawLog]) -> list[Gap]:
        """See `hold`. Raises LostRaceError."""
        with self._engine.begin() as connection:
            _lock(connection, epoch)
            return hold(connection, first, last, logs)

    def take(self, epoch: int, first: int, last: int) -> list[RawLog]:
        """See `take`. Raises LostRaceError."""
        with self._engine.begin() as connection:
            _lock(connection, epoch)
            return take(connection, first, last)

    def reach(self, first: int, last: int, count: int) -> int:
        """See `reach`."""
        with self._engine.begin() as connection:
            return reach(connection, first, last, count)


def _lock(connection: Connection, epoch: int) -> None:
    held = connection.execute(select(cursor.c.epoch).with_for_update()).scalar_one()
    if held != epoch:
        raise LostRaceError("another indexer has taken this mirror over")
