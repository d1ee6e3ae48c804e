"""Builds the mirror anew beside the one in use and lets readers pass over to it.

Goals: readers and the running indexer go on until the new mirror is complete; then readers see it, whole, from one
transaction to the next, and no block is missing, none twice.

Invariants:
- The new schema stands where the old one stood, at one block of it: finalised logs taken as ranges, the blocks above
  them one by one, so that its undo journal is the one a running indexer would have written.
- Before readers see it, both mirrors were compared at the same block; where they differ nothing is swapped unasked.
- The swap holds the row of the old cursor, which every writer has to pass: it takes what came in the meantime, raises
  the epoch of both schemas, renames and shows, all in one transaction. The running indexer's next write then finds
  another epoch, and it exits with LostRaceError; started again it goes on in the new schema.

A crash before that COMMIT leaves the old mirror in use and a schema `chain_v<N>_next`, which the next rebuild drops; a
crash after it leaves the old one as `chain_v<N>_old`, dropped likewise. A second rebuild at a time is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from indexer.chain.errors import InconsistentNodeError, RangeTooLargeError
from indexer.chain.node import Node
from indexer.core.chain_view import Block, ChainView
from indexer.core.logs import RawLog
from indexer.core.reducer import Reducer
from indexer.failpoints import failpoint
from indexer.projections.payment_channel import pool_withdraw_seen
from indexer.settings import deployment_digest
from indexer.store import schema
from indexer.store.columns import SCHEMA
from indexer.store.digest import digest_of, shared_columns, table_digests
from indexer.store.errors import ForeignMirrorError, StoreError
from indexer.store.store import Position, Store
from indexer.store.tables import block, cursor, log, meta, missing_range

_log = structlog.get_logger("indexer.rebuild")
_BATCH_LOGS: Final = 5_000
_RANGE_BLOCKS: Final = 2_000
_REBUILD_LOCK: Final = 0x61696371
_PAUSE_SECONDS: Final = 0.2
_NOWHERE: Final = bytes(32)

Progress = Callable[[int, int], None]
"""Called with the block just taken and the block to reach."""


class NoMirrorError(StoreError):
    """There is no mirror to build anew, or another process builds already."""


class BusyReadersError(StoreError):
    """Readers held the views for longer than we were told to wait. Nothing was swapped."""


@dataclass(frozen=True, slots=True)
class Held:
    """Where the mirror in use stands."""

    view: ChainView
    safe_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a rebuild came to. `differing` names the tables that differ; `kept` the schemas left to drop later."""

    version: int
    former_version: int
    block: int
    seconds: float
    old_digest: str
    new_digest: str
    differing: tuple[str, ...]
    swapped: bool
    kept: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Return whether the two mirrors were equal, in the columns both versions have."""
        return not self.differing


class Logs(Protocol):
    """Where the logs come from."""

    def ranges(self, first: int, last: Block) -> Iterator[tuple[Block, Sequence[RawLog]]]:
        """Yield (end, logs) of consecutive stretches from block `first` to the finalised block `last`."""

    def of_block(self, wanted: Block) -> Sequence[RawLog]:
        """Return the logs of one block above the finalised one."""


class StoredLogs:
    """The raw logs of the mirror in use, through a connection that sees one moment of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ranges(self, first: int, last: Block) -> Iterator[tuple[Block, Sequence[RawLog]]]:
        """See `Logs`. Stretches end at a block boundary after some thousand logs, so memory stays bounded."""
        batch: list[RawLog] = []
        for item in self._read(first, last.number):
            if len(batch) >= _BATCH_LOGS and item.block_number != batch[-1].block_number:
                end = batch[-1]
                yield Block(end.block_number, end.block_hash, _NOWHERE, end.block_time), batch
                batch = []
            batch.append(item)
        if batch and batch[-1].block_number == last.number and batch[-1].block_hash != last.hash:
            raise InconsistentNodeError(f"the raw logs of block {last.number} are of another block")
        yield last, batch

    def of_block(self, wanted: Block) -> Sequence[RawLog]:
        """See `Logs`."""
        return list(self._read(wanted.number, wanted.number))

    def _read(self, first: int, last: int) -> Iterator[RawLog]:
        statement = (
            select(log).where(log.c.block_number.between(first, last)).order_by(log.c.block_number, log.c.log_index)
        )
        for row in self._connection.execute(statement, execution_options={"yield_per": _BATCH_LOGS}).mappings():
            yield RawLog(**{**row, "topics": tuple(row["topics"])})


class ChainLogs:
    """The same logs read from a node again. Raises InconsistentNodeError where it has other blocks than the mirror."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._size = _RANGE_BLOCKS

    def ranges(self, first: int, last: Block) -> Iterator[tuple[Block, Sequence[RawLog]]]:
        """See `Logs`."""
        parent: bytes | None = None
        while first <= last.number:
            end = min(last.number, first + self._size - 1)
            try:
                found = self._node.logs_between(first, end)
            except RangeTooLargeError:
                if self._size == 1:
                    raise
                self._size = max(1, (end - first + 1) // 2)
                continue
            if parent not in (None, found.start.parent_hash) or (end == last.number and found.end.hash != last.hash):
                raise InconsistentNodeError(f"the node's block {end} is not on the chain of the mirror")
            parent, first = found.end.hash, end + 1
            yield found.end, found.logs

    def of_block(self, wanted: Block) -> Sequence[RawLog]:
        """See `Logs`."""
        return self._node.logs_of(self._node.header_by_hash(wanted.hash))


class Rebuild:
    """See the module's docstring. `node` set: from the chain; otherwise from the raw logs."""

    def __init__(
        self, engine: Engine, reducer: Reducer, node: Node | None, progress: Progress, version: int = schema.VERSION
    ) -> None:
        self._engine = engine
        self._reducer = reducer
        self._node = node
        self._progress = progress
        self._version = version
        self._building = f"{schema.named(version)}_next"
        self._store = Store(engine, reducer, physical=self._building)

    def run(self, *, accept: bool, keep_old: bool, wait_seconds: float) -> Outcome:
        """Build, compare and swap.

        A rebuild of the same version that differs is swapped with `accept` only; otherwise it is left beside, to be
        looked at. A new version may differ: that is why it is there. Raises NoMirrorError, BusyReadersError,
        ForeignMirrorError, UndecodableError, ChainError.
        """
        started = time.monotonic()
        with self._alone():
            former, identity = self._prepare()
            old = schema.named(former)
            position = self._install(identity, old)
            position, before, after = self._compared(position, old)
            differing = tuple(name for name in sorted(before) if before[name] != after[name])
            swap = accept or not differing or former != self._version
            taken = self._swap(position, old, wait_seconds) if swap else []
            kept = taken if keep_old else [name for name in taken if not self._drop(name)]
        return Outcome(
            version=self._version,
            former_version=former,
            block=position.view.head.number,
            seconds=time.monotonic() - started,
            old_digest=digest_of(before),
            new_digest=digest_of(after),
            differing=differing,
            swapped=swap,
            kept=tuple(kept),
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            taken = text("SELECT pg_try_advisory_lock(:key)")
            if not connection.execute(taken, {"key": _REBUILD_LOCK}).scalar_one():
                raise NoMirrorError("another process builds this mirror anew")
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _REBUILD_LOCK})

    def _prepare(self) -> tuple[int, schema.Identity]:
        """Drop what an interrupted rebuild left; return the published version and what it mirrors.

        Raises NoMirrorError, ForeignMirrorError.
        """
        with self._engine.begin() as connection:
            former = schema.published_version(connection)
        if former is None:
            raise NoMirrorError("there is no mirror yet: start the indexer, it builds one")
        for leftover in (self._building, schema.aside(self._version)):
            with self._engine.begin() as connection:
                if schema.exists(connection, leftover):
                    _log.info("dropping what an earlier rebuild left", schema=leftover)
                    schema.drop(connection, leftover)
        with self._engine.begin() as connection:
            row = _on(connection, schema.named(former)).execute(
                select(meta.c.chain_id, meta.c.genesis_hash, meta.c.deployment_digest, meta.c.start_block)
            )
            identity = schema.Identity(*row.one())
        if identity.deployment_digest != deployment_digest(self._reducer.contracts):
            raise ForeignMirrorError("this database mirrors other contracts than the deployment file names")
        return former, identity

    def _install(self, identity: schema.Identity, old: str) -> Position:
        self._store.install(identity)
        with _moment(self._engine, old) as connection:
            final = _held(connection).view.final
        first = max(0, identity.start_block - 1)
        return self._store.take_over(Block(first, _NOWHERE, _NOWHERE, 0) if first < final.number else final)

    def _compared(self, position: Position, old: str) -> tuple[Position, dict[str, str], dict[str, str]]:
        """Catch up with the old mirror, and again while it moved on; then compare both at the same block."""
        with _moment(self._engine, old) as connection:
            position = self._catch_up(position, _held(connection), self._logs(connection))
        with self._engine.begin() as connection:
            schema.finish_indexes(_on(connection, self._building))
        with _moment(self._engine, old) as connection:
            position = self._catch_up(position, _held(connection), self._logs(connection))
            columns = shared_columns(connection, old, self._building)
            before = table_digests(connection, old, columns)
        with self._engine.begin() as connection:
            return position, before, table_digests(connection, self._building, columns)

    def _logs(self, connection: Connection) -> Logs:
        return StoredLogs(connection) if self._node is None else ChainLogs(self._node)

    def _catch_up(self, position: Position, held: Held, logs: Logs) -> Position:
        """Bring the new mirror to the block the old one stands at."""
        store, final = self._store, held.view.final
        if final.number > position.view.head.number or not position.view.holds(final):
            position = store.revert(position, position.view.final) if position.view.tail else position
            for end, found in logs.ranges(position.view.final.number + 1, final):
                position = store.append_range(position, end, self._reducer.decode(found))
                self._progress(end.number, held.view.head.number)
                failpoint("rebuild_batch")
        chain = (final, *held.view.tail)
        shared = next(ours for ours in reversed(chain) if position.view.holds(ours))
        if shared != position.view.head:
            position = store.revert(position, shared)
        for child in chain[chain.index(shared) + 1 :]:
            position = store.append_block(position, child, self._reducer.decode(logs.of_block(child)))
            self._progress(child.number, held.view.head.number)
        return store.finalise(position, held.safe_number, final)

    def _swap(self, position: Position, old: str, wait_seconds: float) -> list[str]:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                with self._engine.begin() as connection:
                    schema.lock(connection)
                    connection.execute(text(f"SELECT 1 FROM {old}.cursor FOR UPDATE"))  # noqa: S608  # our own names
                    mirror = _on(connection, old)
                    position = self._catch_up(position, _held(mirror), self._logs(mirror))
                    self._carry_over(connection, old)
                    failpoint("before_swap")
                    return schema.swap(connection, self._building, self._version)
            except OperationalError as error:
                if not isinstance(error.orig, QueryCanceled | LockNotAvailable):
                    raise
                if time.monotonic() > deadline:
                    raise BusyReadersError(f"readers did not let go of the views in {wait_seconds:g} s") from error
                _log.info("waiting for readers", error=_first_line(error))
                time.sleep(_PAUSE_SECONDS)  # whoever queued behind us goes first
                position = self._store.reload(position.epoch)

    def _carry_over(self, connection: Connection, old: str) -> None:
        """Take along what no log of the chain tells, and outdo the epoch of everybody who may still write."""
        held = {table.name: tuple(table.columns.keys()) for table in (pool_withdraw_seen, missing_range, log)}
        for table, columns in shared_columns(connection, old, self._building, held).items():
            names = ", ".join(f'"{name}"' for name in columns)
            above = f"WHERE block_number > (SELECT number FROM {old}.cursor)" if table == log.name else ""  # noqa: S608
            copied = f"SELECT {names} FROM {old}.{table} {above} ON CONFLICT DO NOTHING"  # noqa: S608  # our own names
            connection.execute(text(f"INSERT INTO {self._building}.{table} ({names}) {copied}"))
        rivals = {name for name in (old, schema.named(self._version)) if schema.exists(connection, name)}
        highest = max(
            connection.execute(text(f"SELECT coalesce(max(epoch), 0) FROM {name}.cursor")).scalar_one()  # noqa: S608  # our own names
            for name in rivals
        )
        for name in (*rivals, self._building):
            connection.execute(text(f"UPDATE {name}.cursor SET epoch = :epoch"), {"epoch": highest + 1})  # noqa: S608  # our own names

    def _drop(self, physical: str) -> bool:
        """Drop a schema nobody is shown any more; return False, and leave it, while somebody uses it."""
        try:
            with self._engine.begin() as connection:
                schema.drop(connection, physical)
        except (OperationalError, InternalError) as error:
            _log.warning("the old mirror is still used", schema=physical, error=_first_line(error))
            return False
        return True


def _on(connection: Connection, physical: str) -> Connection:
    return connection.execution_options(schema_translate_map={SCHEMA: physical})


@contextmanager
def _moment(engine: Engine, physical: str) -> Iterator[Connection]:
    """Open a read-only transaction that sees one moment of a schema."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        yield _on(connection, physical)


def _held(connection: Connection) -> Held:
    """Return where the mirror of this connection stands. Raises NoMirrorError when it is empty."""
    row = connection.execute(select(cursor.c.safe_number)).one_or_none()
    if row is None:
        raise NoMirrorError("the mirror is empty: start the indexer, it fills it")
    stored = connection.execute(select(block).order_by(block.c.number)).all()
    blocks = [Block(number=b.number, hash=b.hash, parent_hash=b.parent_hash, time=b.time) for b in stored]
    view = ChainView(blocks[0])
    for child in blocks[1:]:
        view = view.extend(child)
    return Held(view, row.safe_number)


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0]
