"""What must be true of the mirror at every moment, and what must be true when nothing is left to do."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from indexer.store.schema import PHYSICAL
from tests.sim.chain import Chain, Mined, branch
from tests.sim.oracle import Replay, differences, replay
from tests.sim.turn import CONTRACTS

_SHOWN: Final = 12
_WIDTH: Final = 400


class Wrong(AssertionError):
    """The mirror holds something else than the chain says."""


def check(engine: Engine, chain: Chain) -> int | None:
    """Compare the mirror with a replay of the very branch its cursor stands on; return the cursor's number.

    Raises Wrong: for a row too many or too few, for a block nobody mined, and for a mark of finality above the chain's.
    None when the mirror has not begun.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        cursor = connection.execute(text(f"SELECT * FROM {PHYSICAL}.cursor")).one_or_none()
        if cursor is None:
            return None
        head = chain.by_hash.get(bytes(cursor.hash))
        if head is None or head.number != cursor.number:
            raise Wrong(f"the cursor stands on a block nobody mined: {cursor.number}")
        path = branch(head)
        model = replay(CONTRACTS, (log for block in path for log in block.logs))
        found = differences(connection, model)
        found += _window(connection, path, cursor, chain)
        found += _announced(connection, model, cursor.finalized_number)
        if found:
            raise Wrong("\n".join([f"at block {cursor.number}:", *(line[:_WIDTH] for line in found[:_SHOWN])]))
        return int(cursor.number)


def settled(engine: Engine, chain: Chain) -> str | None:
    """Return None when the mirror stands where the chain stands, else what is still different."""
    with engine.connect() as connection:
        cursor = connection.execute(text(f"SELECT * FROM {PHYSICAL}.cursor")).one_or_none()
    if cursor is None:
        return "no cursor"
    ours = (cursor.number, bytes(cursor.hash), cursor.safe_number, cursor.finalized_number)
    theirs = (chain.head.number, chain.head.hash, chain.safe, chain.final)
    return None if ours == theirs else f"{_marks(ours)} is not {_marks(theirs)}"


def _marks(marks: tuple[int, bytes, int, int]) -> str:
    return f"{marks[0]} (0x{marks[1].hex()[:8]}, safe {marks[2]}, final {marks[3]})"


def _window(connection: Connection, path: list[Mined], cursor: Any, chain: Chain) -> list[str]:
    """The blocks kept are those from the finalised one to the cursor, the journal is above it, finality not ahead."""
    final = cursor.finalized_number
    wrong = [] if final <= chain.final else [f"block {final} is called final, the chain says {chain.final}"]
    if chain.path[final].hash != bytes(cursor.finalized_hash):
        wrong.append(f"final block {final} is not on the chain")
    blocks = connection.execute(text(f"SELECT number, hash, parent_hash FROM {PHYSICAL}.block ORDER BY number"))
    held = [(row.number, bytes(row.hash), bytes(row.parent_hash)) for row in blocks]
    if held != [(block.number, block.hash, block.parent_hash) for block in path[final : cursor.number + 1]]:
        wrong.append(f"blocks held: {[number for number, _, _ in held]}, final {final}, cursor {cursor.number}")
    outside = f"SELECT count(*) FROM {PHYSICAL}.undo WHERE block_number <= {final} OR block_number > {cursor.number}"
    if connection.execute(text(outside)).scalar_one():
        wrong.append("the journal holds blocks outside the window")
    letters = connection.execute(text(f"SELECT error FROM {PHYSICAL}.dead_letter")).scalars().all()
    return wrong + [f"dead letter: {error}" for error in letters]


def _announced(connection: Connection, model: Replay, final: int) -> list[str]:
    """Withdrawals announced above the finalised block are all remembered, none below, orphaned ones may be there."""
    rows = connection.execute(
        text(f"SELECT pool_id, block_hash, log_index, block_number FROM {PHYSICAL}.pool_withdraw_seen")
    )
    held = {(bytes(row.pool_id), bytes(row.block_hash), row.log_index): row.block_number for row in rows}
    wanted = {
        (row["pool_id"], row["block_hash"], row["log_index"])
        for row in model.added["pool_withdraw_seen"]
        if row["block_number"] > final
    }
    wrong = [f"announced withdrawal forgotten: 0x{pool.hex()}" for pool, _, _ in wanted - set(held)]
    return wrong + [f"announced withdrawal kept below final: {number}" for number in held.values() if number <= final]
