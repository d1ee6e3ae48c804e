"""What COPY writes is what bound parameters would have written, whatever is remembered between two writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, insert, text
from sqlalchemy.dialects.postgresql import insert as pg_insert

from indexer.core.chain_view import Block
from indexer.core.reducer import Decoded, Reducer
from indexer.core.rows import EventRow, Place, PoolWithdrawSeen, StateRow
from indexer.core.workspace import Workspace
from indexer.projections import table_of
from indexer.store import rows
from indexer.store.columns import metadata
from indexer.store.schema import PHYSICAL, Identity
from indexer.store.store import Position, Store
from indexer.store.tables import log
from tests.fixtures.mirrorlog import CONTRACTS, World, block_of, word
from tests.fixtures.services import create_database

IDENTITY = Identity(chain_id=1, genesis_hash=word(0), deployment_digest=word(1), start_block=1)


class PlainStore(Store):
    """The reference: every row through SQLAlchemy's parameters, and nothing remembered."""

    def _apply(
        self, connection: Connection, workspace: Workspace, decoded: Sequence[Decoded], *, journal: int | None
    ) -> None:
        if not decoded:
            return
        workspace = Workspace()
        while missing := workspace.missing(self._reducer.keys(decoded, workspace)):
            rows.load(connection, workspace, missing)
        self._reducer.apply(decoded, workspace)
        logs = [{f.name: getattr(item.log, f.name) for f in fields(item.log)} for item in decoded]
        connection.execute(insert(log), [{**values, "topics": list(values["topics"])} for values in logs])
        changed: dict[type[StateRow], list[StateRow]] = defaultdict(list)
        for (kind, _), row in workspace.changed.items():
            changed[kind].append(row)
        for kind, held in changed.items():
            if journal is not None:
                self._journal(connection, kind, [getattr(row, kind.KEY) for row in held], journal)
            statement = pg_insert(table_of(kind))
            sets = {f.name: statement.excluded[f.name] for f in fields(kind) if f.name != kind.KEY}
            values = [{f.name: getattr(row, f.name) for f in fields(kind)} for row in held]
            connection.execute(statement.on_conflict_do_update(index_elements=[kind.KEY], set_=sets), values)
        added: dict[type[EventRow], list[dict[str, Any]]] = defaultdict(list)
        for event in workspace.appended:
            values_of = {f.name: getattr(event, f.name) for f in fields(event) if f.name != "place"}
            added[type(event)].append(values_of | {f.name: getattr(event.place, f.name) for f in fields(Place)})
        for event_kind, values in added.items():
            addition = pg_insert(table_of(event_kind))
            connection.execute(
                addition.on_conflict_do_nothing() if event_kind is PoolWithdrawSeen else addition, values
            )

    @staticmethod
    def _journal(connection: Connection, kind: type[StateRow], keys: list[bytes], number: int) -> None:
        for key in keys:
            connection.execute(
                text(
                    f"INSERT INTO {PHYSICAL}.undo SELECT :number, '{kind.TABLE}', :key, "
                    f"(SELECT to_jsonb(held) FROM {PHYSICAL}.{kind.TABLE} AS held WHERE {kind.KEY} = :key)"
                ),
                {"number": number, "key": key},
            )


@dataclass
class Mirror:
    """A store with its own database."""

    engine: Engine
    store: Store
    position: Position

    def rows(self) -> dict[str, list[str]]:
        """Return every row of every table as text; when the cursor moved is no part of what it says."""
        found: dict[str, list[str]] = {}
        with self.engine.connect() as connection:
            for table in metadata.sorted_tables:
                names = ", ".join(c.name for c in table.columns if c.name != "updated_at")
                query = text(f"SELECT t::text FROM (SELECT {names} FROM {PHYSICAL}.{table.name}) AS t")
                found[table.name] = sorted(connection.execute(query).scalars())
        return found


@pytest.fixture
def mirror(postgres: URL) -> Iterator[Callable[..., Mirror]]:
    engines: list[Engine] = []

    def build(kind: type[Store] = Store, **options: Any) -> Mirror:
        engine = create_engine(create_database(postgres))
        engines.append(engine)
        store = kind(engine, Reducer(CONTRACTS), **options)
        store.install(IDENTITY)
        return Mirror(engine, store, store.take_over(block_of(0)))

    yield build
    for engine in engines:
        engine.dispose()


def ranges(world: World, first: int, count: int, *, blocks: int, logs: int) -> Iterator[tuple[int, list[Decoded]]]:
    """Return the last block and the logs of some stretches."""
    for start in range(first, first + count * blocks, blocks):
        yield start + blocks - 1, [item for n in range(start, start + blocks) for item in world.take(n, logs)]


Step = Callable[[Mirror], Position]


def append_range(end: Block, logs: list[Decoded]) -> Step:
    return lambda mirror: mirror.store.append_range(mirror.position, end, logs)


def append_block(new: Block, logs: list[Decoded]) -> Step:
    return lambda mirror: mirror.store.append_block(mirror.position, new, logs)


@pytest.mark.parametrize("remembered", [0, 7, 50_000], ids="remembering {} rows".format)
def test_the_same_rows_as_by_parameters(mirror: Callable[..., Mirror], remembered: int) -> None:
    plain, copied = mirror(PlainStore), mirror(remembered_rows=remembered)
    world = World(11, people=6)

    def both(step: Step) -> None:
        for each in (plain, copied):
            each.position = step(each)

    for last, logs in ranges(world, 1, 4, blocks=5, logs=40):
        both(append_range(block_of(last), logs))
    kept = plain.rows()
    assert copied.rows() == kept
    filled = {name for name, held in kept.items() if held}
    assert filled == set(kept) - {"undo", "missing_range", "health", "dead_letter", "pool_withdraw_seen"}
    for number, logs in ranges(world, 21, 6, blocks=1, logs=60):
        both(append_block(block_of(number), logs))
    assert copied.rows() == plain.rows()
    assert copied.rows()["undo"]
    both(lambda m: m.store.finalise(m.position, 23, block_of(22)))
    both(lambda m: m.store.revert(m.position, block_of(23)))
    assert copied.rows() == plain.rows()
    both(lambda m: m.store.revert(m.position, block_of(22)))
    assert copied.rows() == plain.rows()


def test_going_back_leaves_what_was_there_before(mirror: Callable[..., Mirror]) -> None:
    held, world = mirror(), World(12, people=6)
    for last, logs in ranges(world, 1, 3, blocks=4, logs=50):
        held.position = held.store.append_range(held.position, block_of(last), logs)
    before = held.rows()
    for number, logs in ranges(world, 13, 5, blocks=1, logs=50):
        held.position = held.store.append_block(held.position, block_of(number), logs)
    held.position = held.store.revert(held.position, block_of(12))
    after = held.rows()
    assert after.pop("pool_withdraw_seen")  # remembered over the reorg
    assert not before.pop("pool_withdraw_seen")
    assert after == before


def test_a_reorg_forgets_the_rows_of_the_dropped_branch(mirror: Callable[..., Mirror]) -> None:
    """The branch that follows starts from the database's rows, also for a key the dropped branch created."""
    held, fresh = mirror(), mirror()
    base = World(13, people=6).take(1, 200)
    for each in (held, fresh):
        each.position = each.store.append_block(each.position, block_of(1), base)
    branch = World(13, people=6)
    branch.take(1, 200)
    dropped = branch.take(2, 80)
    held.position = held.store.append_block(held.position, block_of(2), dropped)
    held.position = held.store.revert(held.position, block_of(1))
    again = World(13, people=6, fork=1)
    again.take(1, 200)
    kept = again.take(2, 80)
    for each in (held, fresh):
        moved = type(block_of(2))(2, block_of(2, 1).hash, block_of(1).hash, block_of(2).time)
        each.position = each.store.append_block(each.position, moved, kept)
    assert {k: v for k, v in held.rows().items() if k != "pool_withdraw_seen"} == {
        k: v for k, v in fresh.rows().items() if k != "pool_withdraw_seen"
    }
