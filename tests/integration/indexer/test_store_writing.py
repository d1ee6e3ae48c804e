"""What COPY writes is what bound parameters would have written, whatever is remembered between two writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert

from aicp.abi import escrow as abi
from aicp.abi.typed_data import EscrowTerms
from indexer.core.chain_view import Block, ChainView
from indexer.core.dispute_rows import DisputeNumber
from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded
from indexer.core.rows import Escrow, EventRow, Place, PoolWithdrawSeen, StateRow, names_of
from indexer.core.workspace import Workspace
from indexer.projections import table_of
from indexer.store import rows
from indexer.store.schema import PHYSICAL, TRANSLATE
from indexer.store.store import Position, Store
from indexer.store.tables import log
from tests.fixtures.mirrorlog import ARBITER, World, account, block_of, logged, word
from tests.fixtures.storelab import Mirror


class PlainStore(Store):
    """The reference: every row through SQLAlchemy's parameters, one write after the other, and nothing remembered."""

    def append_range(self, position: Position, end: Block, decoded: Sequence[Decoded]) -> Position:
        def write(connection: Connection) -> None:
            self._apply(connection, Workspace(), decoded, journal=None)

        self._write_range(position, end, write)
        return Position(ChainView(end), end.number, position.epoch)

    def _apply(
        self, connection: Connection, workspace: Workspace, decoded: Sequence[Decoded], *, journal: int | None
    ) -> None:
        if not decoded:
            return
        workspace = Workspace()
        while missing := workspace.missing(self._reducer.keys(decoded, workspace)):
            rows.load(connection, workspace, missing)
        self._reducer.apply(decoded, workspace)
        logs = [{name: getattr(item.log, name) for name in names_of(RawLog)} for item in decoded]
        connection.execute(insert(log), [{**values, "topics": list(values["topics"])} for values in logs])
        changed: dict[type[StateRow], list[StateRow]] = defaultdict(list)
        for (kind, _), row in workspace.changed.items():
            changed[kind].append(row)
        for kind, held in changed.items():
            if journal is not None:
                self._journal(connection, kind, [getattr(row, kind.KEY) for row in held], journal)
            statement = pg_insert(table_of(kind))
            sets = {name: statement.excluded[name] for name in names_of(kind) if name != kind.KEY}
            values = [{name: getattr(row, name) for name in names_of(kind)} for row in held]
            connection.execute(statement.on_conflict_do_update(index_elements=[kind.KEY], set_=sets), values)
        added: dict[type[EventRow], list[dict[str, Any]]] = defaultdict(list)
        for event in workspace.appended:
            values_of = {name: getattr(event, name) for name in names_of(type(event)) if name != "place"}
            added[type(event)].append(values_of | {name: getattr(event.place, name) for name in names_of(Place)})
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


def ranges(world: World, first: int, count: int, *, blocks: int, logs: int) -> Iterator[tuple[int, list[Decoded]]]:
    """Return the last block and the logs of some stretches."""
    for start in range(first, first + count * blocks, blocks):
        yield start + blocks - 1, [item for n in range(start, start + blocks) for item in world.take(n, logs)]


NewMirror = Callable[..., Mirror]


@pytest.mark.parametrize("remembered", [0, 7, 50_000], ids="remembering {} rows".format)
def test_the_same_rows_as_by_parameters(new_mirror: NewMirror, remembered: int) -> None:
    plain, copied = both = new_mirror(PlainStore), new_mirror(remembered_rows=remembered)
    world = World(11, people=6)
    for last, logs in ranges(world, 1, 4, blocks=5, logs=40):
        for each in both:
            each.append_range(block_of(last), logs)
    kept = plain.rows()
    assert copied.rows() == kept
    filled = {name for name, held in kept.items() if held}
    assert filled == set(kept) - {"undo", "missing_range", "health", "dead_letter", "pool_withdraw_seen"}
    for number, logs in ranges(world, 21, 6, blocks=1, logs=60):
        for each in both:
            each.append_block(block_of(number), logs)
    kept = plain.rows()
    assert copied.rows() == kept
    assert kept["undo"]
    assert kept["pool_withdraw_seen"]
    for each in both:
        each.finalise(23, block_of(22))
        each.revert(block_of(23))
    assert copied.rows() == plain.rows()
    for each in both:
        each.revert(block_of(22))
    assert copied.rows() == plain.rows()


def test_going_back_leaves_what_was_there_before(new_mirror: NewMirror) -> None:
    held, world = new_mirror(), World(12, people=6)
    for last, logs in ranges(world, 1, 3, blocks=4, logs=50):
        held.append_range(block_of(last), logs)
    before = held.rows()
    for number, logs in ranges(world, 13, 5, blocks=1, logs=50):
        held.append_block(block_of(number), logs)
    held.revert(block_of(12))
    after = held.rows()
    assert after.pop("pool_withdraw_seen")  # remembered over the reorg
    assert not before.pop("pool_withdraw_seen")
    assert after == before


def test_the_largest_numbers_come_back_exactly(new_mirror: NewMirror) -> None:
    """Row I17: a salt and an arbiter's number may be any 256 bits."""
    largest, key, client = 2**256 - 1, word(1, 1), account(1, 1)
    terms = EscrowTerms(
        client=client, provider=account(2, 1), verifier=bytes(20), arbiter=ARBITER, amount=2**96 - 1, fee_bps=0,
        quorum=0, accept_by=2**40 - 1, deliver_by=2**40 - 1, challenge_period=2**32 - 1, dispute_timeout=2**32 - 1,
        job_hash=b"\xff" * 32, salt=largest,
    )  # fmt: skip
    events = [
        abi.EscrowFunded(id=key, client=client, provider=terms.provider, terms=terms),
        abi.DisputeRaised(id=key, by=client, evidence_hash=bytes(32), respond_by=2**40 - 1),
        abi.DisputeJoined(id=key, dispute_id=largest, decide_by=2**40 - 1),
    ]
    copied, plain = both = new_mirror(), new_mirror(PlainStore)
    for each in both:
        each.append_block(block_of(1), [logged(event, block_of(1), at) for at, event in enumerate(events)])
        with each.engine.execution_options(schema_translate_map=TRANSLATE).connect() as connection:
            row = connection.execute(select(table_of(Escrow))).one()
            assert (row.salt, row.amount_units, row.accept_by) == (largest, 2**96 - 1, 2**40 - 1)
            assert connection.execute(select(table_of(DisputeNumber).c.dispute_id)).scalar_one() == largest
    assert copied.rows() == plain.rows()
    late = [logged(abi.EscrowAccepted(id=key, stake=2**96 - 1), block_of(2), 0)]
    for each in both:
        each.position = each.store.reload(each.position.epoch)  # the row is read back from the database
        each.append_block(block_of(2), late)
    assert copied.rows() == plain.rows()
