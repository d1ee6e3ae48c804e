"""The only writer of the mirror.

Goals: each block or range enters whole or not at all; each log once; a reorg leaves exactly what the new chain says.

Invariants:
- Rows, raw logs, undo journal, blocks and cursor change in one transaction, whose first statement compares the cursor's
  number, hash and epoch with what this process believes and sets them. If that row is not there any more, another
  indexer runs: `LostRaceError`, nothing written.
- Taking over raises the epoch, so of two indexers the one that started first loses at its next write.
- Nothing at or below the finalised block is ever undone; the journal below it is deleted.
- State rows are remembered from one write to the next only while each write starts exactly where the last one of this
  process ended and has succeeded; the compare-and-set then proves that nobody else has changed them. Anything else
  (an error, a reorg, a reload, another process) forgets them.

- `begin_range` returns before its transaction has ended, so that the next range can be read and reduced meanwhile. At
  most one such write is on its way. Everything else here waits for it first and raises what it raised: then the
  position it returned was never reached, and `reload` tells the true one. What the next range loads cannot depend on
  it: each row it touches is remembered until at least one more range is through.

A crash before COMMIT leaves the former state; after COMMIT the next start reads the cursor and goes on. When the answer
to COMMIT is lost, `reload` says which of the two it was. NOTIFY is part of the transaction and fires after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg.errors
from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError

from indexer.background import Start, Task, Threaded
from indexer.core.chain_view import Block, ChainView
from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded, Reducer, UndecodableError
from indexer.core.rows import Key
from indexer.core.workspace import Workspace
from indexer.failpoints import failpoint
from indexer.projections.payment_channel import pool_withdraw_seen
from indexer.store import rows, schema
from indexer.store.changes import Changes, changes_of
from indexer.store.columns import SCHEMA
from indexer.store.errors import LostRaceError
from indexer.store.gaps import Gaps, log_values
from indexer.store.health import HealthState, note_health
from indexer.store.tables import block, cursor, dead_letter, log, undo

CHANNEL = "chain"
REMEMBERED_ROWS: Final = 50_000
"""State rows remembered between writes, give or take a factor of two: some tens of megabytes."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the mirror stands: the window of blocks and the stored marks of finality."""

    view: ChainView
    safe_number: int
    epoch: int

    @property
    def marks(self) -> tuple[int, int]:
        """The stored (safe, finalised) block numbers."""
        return (self.safe_number, self.view.final.number)


class Store:
    """See the module's docstring. Not for use by several threads at once."""

    def __init__(
        self,
        engine: Engine,
        reducer: Reducer,
        *,
        physical: str = schema.PHYSICAL,
        remembered_rows: int = REMEMBERED_ROWS,
        start: Start = Threaded,
    ) -> None:
        """`start` begins what `begin_range` leaves to be done."""
        self._engine = engine.execution_options(schema_translate_map={SCHEMA: physical})
        self._reducer = reducer
        self._remembered_rows = remembered_rows
        self._remembered: tuple[tuple[int, int, bytes], Workspace] | None = None
        self._start = start
        self._writing: Task[None] | None = None
        self.gaps = Gaps(self._engine)

    def install(self, identity: schema.Identity) -> None:
        """Create the tables if needed. Raises ForeignMirrorError."""
        self.flush()
        with self._engine.begin() as connection:
            schema.install(connection, identity, defer_indexes=True)

    def publish(self) -> None:
        """Create what indexes are missing and let the `chain` views show this version."""
        self.flush()
        with self._engine.begin() as connection:
            schema.finish_indexes(connection)
            schema.publish(connection)

    def take_over(self, start: Block) -> Position:
        """Make this process the writer and return where to go on; `start` is used by an empty mirror only."""
        first = {
            "id": 1, "number": start.number, "hash": start.hash, "block_time": start.time,
            "safe_number": start.number, "finalized_number": start.number, "finalized_hash": start.hash,
            "finalized_time": start.time, "epoch": 0,
        }  # fmt: skip
        self.flush()
        self._remembered = None
        empty = False
        with self._engine.begin() as connection:
            claim = pg_insert(cursor).values(**first).on_conflict_do_nothing().returning(cursor.c.id)
            if connection.execute(claim).scalar_one_or_none() is not None:
                connection.execute(insert(block), [_block_values(start)])
                empty = True
            connection.execute(update(cursor).values(epoch=cursor.c.epoch + 1, updated_at=func.now()))
            position = _position(connection)
        if empty:
            self._remember(position, Workspace(complete=True))
        return position

    def reload(self, epoch: int) -> Position:
        """Return where the mirror stands, whatever came of a write on its way.

        Raises LostRaceError when another process has taken it over.
        """
        self.abandon()
        self._remembered = None
        with self._engine.begin() as connection, _told_apart():
            position = _position(connection)
        if position.epoch != epoch:
            raise LostRaceError("another indexer has taken this mirror over")
        return position

    def append_block(self, position: Position, new: Block, decoded: Sequence[Decoded]) -> Position:
        """Take one block above the finalised one. Raises LostRaceError, UndecodableError."""
        self.flush()
        after = Position(position.view.extend(new), position.safe_number, position.epoch)
        values = {"number": new.number, "hash": new.hash, "block_time": new.time}
        workspace = self._recall(position)
        with self._moving(position, values) as connection:
            connection.execute(insert(block), [_block_values(new)])
            self._apply(connection, workspace, decoded, journal=new.number)
            _notify(connection, new.number)
        self._remember(after, workspace)
        return after

    def append_range(self, position: Position, end: Block, decoded: Sequence[Decoded]) -> Position:
        """Take everything up to the finalised block `end`. Raises LostRaceError, UndecodableError."""
        after = self.begin_range(position, end, decoded)
        self.flush()
        return after

    def begin_range(self, position: Position, end: Block, decoded: Sequence[Decoded]) -> Position:
        """As `append_range`, but the position returned is reached only when `flush` has returned.

        Raises what the write before it raised, and UndecodableError.
        """
        workspace = self._recall(position)
        try:
            changes = self._reduced(workspace, decoded, partial(self._load_outside, workspace))
        except UndecodableError:
            self.flush()
            self._check_ours(position)
            raise
        self.flush()

        def write(connection: Connection) -> None:
            if changes is not None:
                rows.write(connection, changes, journal=None)

        self._writing = self._start(lambda: self._write_range(position, end, write))
        after = Position(ChainView(end), end.number, position.epoch)
        self._remember(after, workspace)
        return after

    def flush(self) -> None:
        """Wait until what was begun is committed. Raises what went wrong with it, LostRaceError among others."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            writing.result()
        except BaseException:
            self._remembered = None
            raise

    def abandon(self) -> None:
        """Wait for the end of what was begun, good or bad; the position has to be read anew."""
        with suppress(Exception):
            self.flush()

    def revert(self, position: Position, ancestor: Block) -> Position:
        """Go back to a block of the window. Raises UnknownBlockError for any other, LostRaceError."""
        self.flush()
        view = position.view.revert_to(ancestor)
        safe = min(position.safe_number, ancestor.number)
        values = {"number": ancestor.number, "hash": ancestor.hash, "block_time": ancestor.time, "safe_number": safe}
        with self._moving(position, values) as connection:
            rows.undo_above(connection, ancestor.number)
            for table, column in ((log, log.c.block_number), (undo, undo.c.block_number), (block, block.c.number)):
                connection.execute(delete(table).where(column > ancestor.number))
            failpoint("after_undo")
            _notify(connection, ancestor.number)
        return Position(view, safe, position.epoch)

    def finalise(self, position: Position, safe_number: int, final: Block) -> Position:
        """Move the marks of finality inside the window. Raises LostRaceError."""
        self.flush()
        view = position.view.finalise(final.number, final.hash)
        marks = {
            "safe_number": safe_number, "finalized_number": view.final.number,
            "finalized_hash": view.final.hash, "finalized_time": view.final.time,
        }  # fmt: skip
        with self._moving(position, marks) as connection:
            _forget(connection, view.final.number)
            _notify(connection, view.head.number)
        return Position(view, safe_number, position.epoch)

    def bury(self, raw: RawLog, error: str) -> None:
        """Keep a log of ours nobody could decode; the cursor stays before its block."""
        values = {**log_values(raw), "error": error}
        del values["block_time"]
        self.flush()
        with self._engine.begin() as connection:
            connection.execute(pg_insert(dead_letter).values(**values).on_conflict_do_nothing())

    def note_health(self, state: HealthState, reason: str) -> None:
        """Say how the indexer is."""
        with self._engine.begin() as connection:
            note_health(connection, state, reason)

    @contextmanager
    def _moving(self, position: Position, values: dict[str, Any]) -> Iterator[Connection]:
        """One transaction that starts by moving the cursor."""
        with _told_apart(), self._engine.begin() as connection:
            _compare_and_set(connection, position, values)
            failpoint("after_cas")
            yield connection
            failpoint("before_commit")
        failpoint("after_commit")

    def _recall(self, position: Position) -> Workspace:
        """Return the rows as the last write left them if `position` is where it ended, else none.

        They are taken away until `_remember`: what a write that failed has changed in memory is never seen again, and a
        reorg, which ends at another block, finds nothing.
        """
        remembered, self._remembered = self._remembered, None
        if remembered is None or remembered[0] != _chain_point(position):
            return Workspace()
        return remembered[1]

    def _remember(self, position: Position, workspace: Workspace) -> None:
        workspace.settle(self._remembered_rows)
        self._remembered = (_chain_point(position), workspace)

    def _reduced(
        self, workspace: Workspace, decoded: Sequence[Decoded], load: Callable[[set[Key]], None]
    ) -> Changes | None:
        """Apply events to the rows they need, which `load` puts into the workspace; None for no events."""
        if not decoded:
            return None
        asked = decoded
        while asked:
            missing, asked = self._reducer.missing(asked, workspace)
            if missing:
                load(missing)
        self._reducer.apply(decoded, workspace)
        return changes_of(decoded, workspace)

    def _load_outside(self, workspace: Workspace, keys: set[Key]) -> None:
        """Load rows outside the transaction that will write them.

        They are still true then: whoever changes one moves the cursor, and the transaction compares it first. Rows of
        another indexer that has taken over may contradict the events: see `_check_ours`.
        """
        with _told_apart(), self._engine.connect() as connection:
            rows.load(connection, workspace, keys)

    def _check_ours(self, position: Position) -> None:
        """Raise LostRaceError unless the mirror stands where this process believes, in its epoch."""
        with _told_apart(), self._engine.connect() as connection:
            if _chain_point(_position(connection)) != _chain_point(position):
                raise LostRaceError("another indexer has moved the cursor")

    def _write_range(self, position: Position, end: Block, write: Callable[[Connection], None]) -> None:
        marks = {
            "number": end.number, "hash": end.hash, "block_time": end.time, "safe_number": end.number,
            "finalized_number": end.number, "finalized_hash": end.hash, "finalized_time": end.time,
        }  # fmt: skip
        with self._moving(position, marks) as connection:
            write(connection)
            connection.execute(insert(block), [_block_values(end)])
            _forget(connection, end.number)
            _notify(connection, end.number)

    def _apply(
        self, connection: Connection, workspace: Workspace, decoded: Sequence[Decoded], *, journal: int | None
    ) -> None:
        changes = self._reduced(workspace, decoded, partial(rows.load, connection, workspace))
        if changes is not None:
            rows.write(connection, changes, journal=journal)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Tell errors of the database that look like a mistake of ours, and are none, by what can be done about them."""
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            raise LostRaceError("another process has dropped this mirror") from error
        raise
    except InternalError as error:
        if error.connection_invalidated and error.orig is not None:  # the server ended a session that stood still
            raise OperationalError(error.statement, error.params, error.orig, connection_invalidated=True) from error
        raise


def _chain_point(position: Position) -> tuple[int, int, bytes]:
    head = position.view.head
    return (position.epoch, head.number, head.hash)


def _compare_and_set(connection: Connection, position: Position, values: dict[str, Any]) -> None:
    head = position.view.head
    result = connection.execute(
        update(cursor)
        .where(cursor.c.epoch == position.epoch, cursor.c.number == head.number, cursor.c.hash == head.hash)
        .values(**values, updated_at=func.now())
    )
    if result.rowcount != 1:
        raise LostRaceError("another indexer has moved the cursor")


def _position(connection: Connection) -> Position:
    row = connection.execute(select(cursor)).one()
    stored = connection.execute(select(block).order_by(block.c.number)).all()
    blocks = [Block(number=b.number, hash=b.hash, parent_hash=b.parent_hash, time=b.time) for b in stored]
    view = ChainView(blocks[0])
    for child in blocks[1:]:
        view = view.extend(child)
    return Position(view, row.safe_number, row.epoch)


def _forget(connection: Connection, final_number: int) -> None:
    """Delete what only a reorg could still need."""
    connection.execute(delete(block).where(block.c.number < final_number))
    connection.execute(delete(undo).where(undo.c.block_number <= final_number))
    connection.execute(delete(pool_withdraw_seen).where(pool_withdraw_seen.c.block_number <= final_number))


def _notify(connection: Connection, number: int) -> None:
    connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": str(number)})


def _block_values(new: Block) -> dict[str, Any]:
    return {"number": new.number, "hash": new.hash, "parent_hash": new.parent_hash, "time": new.time}
