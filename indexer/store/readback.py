"""Reads the mirror back whole, in the order of its keys, for whoever wants to check it. Nothing is held in memory but
the rows of the blocks somebody asks for."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, or_, select, text

from indexer.core.logs import RawLog
from indexer.core.rows import EventRow, StateRow
from indexer.projections import table_of
from indexer.store.columns import SCHEMA
from indexer.store.tables import block, cursor, dead_letter, health, log, meta, missing_range

_STREAM: Final = {"yield_per": 1_000}
_BYTEA: Final = 17
_LOGS_DIGEST: Final = text(
    f"""
    SELECT count(*), sha256(string_agg(
        int8send(block_number) || int4send(log_index) || block_hash || tx_hash || int8send(block_time) || address
        || array_send(topics) || int4send(length(data)) || data,
        ''::bytea ORDER BY block_number, log_index))
    FROM {SCHEMA}.log WHERE block_number BETWEEN :first AND :last
    """  # noqa: S608  # a name of ours
)
_SERVICE: Final = text(
    "SELECT count(*) = 2 FROM information_schema.tables "
    "WHERE table_schema = 'app' AND table_name IN ('channel', 'receipt')"
)
_LEDGER: Final = text(
    "SELECT count(*) = 3 FROM information_schema.tables "
    "WHERE table_schema = 'app' AND table_name IN ('ledger_entry', 'posting', 'ledger_mark')"
)
_ENTRIES: Final = text(
    "SELECT e.id, coalesce(sum(p.delta_units), 0) FROM app.ledger_entry e LEFT JOIN app.posting p ON p.entry_id = e.id "
    "GROUP BY e.id ORDER BY e.id"
)
_LEDGER_CHANNELS: Final = text(
    """
    WITH held AS (
        SELECT owner, sum(delta_units) FILTER (WHERE account = 'owed') AS owed,
               sum(delta_units) FILTER (WHERE account = 'claimed') AS claimed
        FROM app.posting WHERE account IN ('owed', 'claimed') GROUP BY owner
    )
    SELECT c.channel_id, c.earned_units, c.claimed_units, c.ceiling_units,
           coalesce(h.owed, 0) AS owed, coalesce(h.claimed, 0) AS claimed
    FROM app.channel c LEFT JOIN held h ON h.owner = c.channel_id ORDER BY c.channel_id
    """
)
_LEDGER_POOLS: Final = text(
    """
    WITH held AS (
        SELECT owner, account, sum(delta_units) AS units FROM app.posting
        WHERE account IN ('available', 'reserved', 'owed') GROUP BY owner, account
    ), owed AS (
        SELECT c.pool_id, sum(h.units) AS units FROM held h JOIN app.channel c ON c.channel_id = h.owner
        WHERE h.account = 'owed' GROUP BY c.pool_id
    )
    SELECT p.pool_id, p.reserved_units, m.block_number AS mark, coalesce(a.units, 0) AS available,
           coalesce(r.units, 0) AS reserved, coalesce(o.units, 0) AS owed
    FROM app.pool p
    LEFT JOIN app.ledger_mark m ON m.operator = p.operator
    LEFT JOIN held a ON a.owner = p.pool_id AND a.account = 'available'
    LEFT JOIN held r ON r.owner = p.pool_id AND r.account = 'reserved'
    LEFT JOIN owed o ON o.pool_id = p.pool_id
    ORDER BY p.pool_id
    """
)
_VOUCHERS: Final = text(
    "SELECT v.channel_id, v.ceiling_units, v.signature, p.payer, p.payer_authorizer FROM app.voucher v "
    "JOIN app.channel c USING (channel_id) JOIN app.pool p USING (pool_id) ORDER BY v.channel_id, v.ceiling_units"
)
_RECEIPTS: Final = text(
    "SELECT c.channel_id, c.receipted_units, r.id, r.total_claimed_units, r.ceiling_units, r.operator, "
    "r.operator_signature FROM app.channel c LEFT JOIN app.receipt r USING (channel_id) "
    "ORDER BY c.channel_id, r.total_claimed_units"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent view of the mirror, at the block its cursor names."""

    connection: Connection
    number: int
    hash: bytes

    def meta(self) -> Mapping[str, Any]:
        """Return what this is a mirror of."""
        return dict(self.connection.execute(select(meta)).mappings().one())

    def cursor(self) -> Mapping[str, Any]:
        """Return the position and the marks of finality."""
        return dict(self.connection.execute(select(cursor)).mappings().one())

    def blocks(self) -> Iterator[Mapping[str, Any]]:
        """Return the blocks of the unfinalised window, lowest first."""
        statement = select(block).order_by(block.c.number)
        for row in self.connection.execute(statement, execution_options=_STREAM).mappings():
            yield dict(row)

    def health(self) -> tuple[str, str] | None:
        """Return what the indexer says of itself and why, None where it never said anything."""
        row = self.connection.execute(select(health.c.state, health.c.reason)).one_or_none()
        return None if row is None else (row.state, row.reason)

    def missing_ranges(self) -> list[tuple[int, int]]:
        """Return the stretches of blocks that were passed over."""
        rows = self.connection.execute(select(missing_range.c.first, missing_range.c.last).order_by("first"))
        return [(row.first, row.last) for row in rows]

    def dead_letters(self) -> int:
        """Return how many logs of ours nobody could read."""
        return int(self.connection.execute(select(func.count()).select_from(dead_letter)).scalar_one())

    def state_rows(self, kind: type[StateRow]) -> Iterator[Mapping[str, Any]]:
        """Return every row of a state table in the order of its key."""
        table = table_of(kind)
        statement = select(table).order_by(table.c[kind.KEY])
        for row in self.connection.execute(statement, execution_options=_STREAM).mappings():
            yield dict(row)

    def event_rows(self, kind: type[EventRow], first: int, last: int) -> Iterator[Mapping[str, Any]]:
        """Return the rows of an append-only table that come from blocks `first` to `last`."""
        table = table_of(kind)
        statement = select(table).where(table.c.block_number.between(first, last))
        for row in self.connection.execute(statement).mappings():
            yield dict(row)

    def strays(self, kind: type[EventRow], first: int, limit: int) -> list[Mapping[str, Any]]:
        """Return rows of an append-only table from before block `first` or after the cursor, at most `limit`."""
        table = table_of(kind)
        outside = or_(table.c.block_number < first, table.c.block_number > self.number)
        statement = select(table).where(outside).order_by(table.c.block_number, table.c.log_index).limit(limit)
        return [dict(row) for row in self.connection.execute(statement).mappings()]

    def logs(self, first: int, last: int) -> list[RawLog]:
        """Return the raw logs of a stretch of blocks."""
        statement = select(log).where(log.c.block_number.between(first, last)).order_by("block_number", "log_index")
        return [_raw(row) for row in self.connection.execute(statement)]

    def stray_logs(self, first: int, limit: int) -> list[RawLog]:
        """Return raw logs from before block `first` or after the cursor, at most `limit`."""
        outside = or_(log.c.block_number < first, log.c.block_number > self.number)
        return [_raw(row) for row in self.connection.execute(select(log).where(outside).limit(limit))]

    def logs_digest(self, first: int, last: int) -> tuple[int, bytes]:
        """Return how many raw logs a stretch of blocks has, and the digest `logs_digest` gives the same logs."""
        count, digest = self.connection.execute(_LOGS_DIGEST, {"first": first, "last": last}).one()
        return count, sha256().digest() if digest is None else bytes(digest)

    def has_service(self) -> bool:
        """Return whether the database is also the service's, with its receipts."""
        return bool(self.connection.execute(_SERVICE).scalar_one())

    def service_receipts(self) -> Iterator[Any]:
        """Return the service's receipts by channel and total; one row without an id for a channel without any."""
        yield from self.connection.execute(_RECEIPTS, execution_options=_STREAM)

    def service_vouchers(self) -> Iterator[Any]:
        """Return every ceiling the service has taken, with whose signature it must carry."""
        yield from self.connection.execute(_VOUCHERS, execution_options=_STREAM)

    def has_ledger(self) -> bool:
        """Return whether the database is also the service's, with its ledger."""
        return bool(self.connection.execute(_LEDGER).scalar_one())

    def ledger_entries(self) -> Iterator[Any]:
        """Return the entries of the ledger with the sum of their postings."""
        yield from self.connection.execute(_ENTRIES, execution_options=_STREAM)

    def ledger_channels(self) -> Iterator[Any]:
        """Return what is kept of each channel beside what the ledger says it has earned."""
        yield from self.connection.execute(_LEDGER_CHANNELS, execution_options=_STREAM)

    def ledger_pools(self) -> Iterator[Any]:
        """Return what is kept of each pool beside what the ledger says it holds, and the block the ledger is at."""
        yield from self.connection.execute(_LEDGER_POOLS, execution_options=_STREAM)


def logs_digest(logs: Iterable[RawLog]) -> tuple[int, bytes]:
    """Return the number and the digest of logs in order, as `Snapshot.logs_digest` computes it in the database."""
    count, state = 0, sha256()
    for one in logs:
        count += 1
        state.update(struct.pack(">qi", one.block_number, one.log_index) + one.block_hash + one.tx_hash)
        state.update(struct.pack(">q", one.block_time) + one.address + _array(one.topics))
        state.update(struct.pack(">i", len(one.data)) + one.data)
    return count, state.digest()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Open a read-only snapshot. Raises LookupError when the mirror is empty."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        row = connection.execute(select(cursor.c.number, cursor.c.hash)).one_or_none()
        if row is None:
            raise LookupError("the mirror is empty")
        yield Snapshot(connection, row.number, row.hash)


def _raw(row: Any) -> RawLog:
    return RawLog(
        block_number=row.block_number,
        block_hash=bytes(row.block_hash),
        tx_hash=bytes(row.tx_hash),
        log_index=row.log_index,
        address=bytes(row.address),
        topics=tuple(bytes(topic) for topic in row.topics),
        data=bytes(row.data),
        block_time=row.block_time,
    )


def _array(topics: Sequence[bytes]) -> bytes:
    """Return what PostgreSQL's `array_send` gives for a list of bytes."""
    if not topics:
        return struct.pack(">iii", 0, 0, _BYTEA)
    head = struct.pack(">iiiii", 1, 0, _BYTEA, len(topics), 1)
    return head + b"".join(struct.pack(">i", len(topic)) + topic for topic in topics)
