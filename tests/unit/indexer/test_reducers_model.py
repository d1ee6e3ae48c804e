"""Reducers against plain sums: whatever order deals, payments and disputes come in, no unit appears or is lost."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.core.arbiter_rows import Juror
from indexer.core.reducer import Decoded, Reducer
from indexer.core.rows import (
    BonusPool,
    Channel,
    Escrow,
    EscrowEvent,
    EventRow,
    Key,
    Ledger,
    LedgerEntry,
    Pool,
    PoolEvent,
    Receiver,
    Stake,
    StateRow,
)  # fmt: skip
from indexer.core.workspace import Workspace
from tests.fixtures.mirrorlog import CONTRACTS, World

worlds = st.tuples(st.integers(0, 2**32), st.integers(2, 12), st.lists(st.integers(1, 60), min_size=1, max_size=8))
within = settings(max_examples=40, deadline=None)
Stored = dict[Key, StateRow]


def reduced(logs: list[Decoded], workspace: Workspace, stored: Stored) -> None:
    """Apply a stretch as the store does: load what is missing, copies of what it holds, then apply."""
    reducer = Reducer(CONTRACTS)
    asked: list[Decoded] = logs
    while asked:
        missing, asked = reducer.missing(asked, workspace)
        for key in missing:
            workspace.load(key, deepcopy(stored.get(key)))
    reducer.apply(logs, workspace)


def fill(blocks: list[list[Decoded]]) -> tuple[Stored, list[EventRow]]:
    """Reduce blocks one by one with nothing remembered between them."""
    stored: Stored = {}
    appended: list[EventRow] = []
    for logs in blocks:
        workspace = Workspace()
        reduced(logs, workspace, stored)
        for key in workspace.created:
            assert key not in stored
        stored.update(workspace.changed)
        appended += workspace.appended
    return stored, appended


def made(seed: int, people: int, sizes: list[int]) -> tuple[World, list[list[Decoded]]]:
    world = World(seed, people=people)
    return world, [world.take(number, size) for number, size in enumerate(sizes, start=1)]


def held(stored: Stored, kind: type[Any], read: Callable[[Any], int]) -> dict[bytes, int]:
    return {key: value for (found, key), row in stored.items() if found is kind and (value := read(row))}


def some(amounts: dict[bytes, int]) -> dict[bytes, int]:
    return {key: amount for key, amount in amounts.items() if amount}


@within
@given(worlds)
def test_balances_are_the_sums_of_what_happened(given_world: tuple[int, int, list[int]]) -> None:
    world, blocks = made(*given_world)
    stored, _ = fill(blocks)
    totals = world.totals
    assert held(stored, Pool, lambda row: row.balance_units) == some(totals.pools)
    assert held(stored, Channel, lambda row: row.total_claimed_units) == some(totals.channels)
    assert held(stored, Channel, lambda row: row.drawn_units) == some(totals.channels)
    assert held(stored, Receiver, lambda row: row.claimed_units) == some(totals.claimed)
    assert held(stored, Receiver, lambda row: row.settled_units) == some(totals.settled)
    assert held(stored, Stake, lambda row: row.staked_units) == some(totals.stakes)
    assert held(stored, Juror, lambda row: row.free_units + row.locked_units) == some(totals.jurors)
    assert held(stored, BonusPool, lambda row: row.balance_units) == {CONTRACTS.reputation: totals.bonus}
    ledgers = {contract + owner: units for (contract, owner), units in totals.ledgers.items()}
    assert held(stored, Ledger, lambda row: row.balance_units) == some(ledgers)
    assert {
        key[1]: (row.released_units, row.refunded_units) for key, row in stored.items() if isinstance(row, Escrow)
    } == {key: (deal.released, deal.refunded) for key, deal in world.deals.items()}


@within
@given(worlds)
def test_money_is_kept(given_world: tuple[int, int, list[int]]) -> None:
    """What an escrow paid is in ledgers; what a ledger or a pool lost is in an event; each entry adds up."""
    _, blocks = made(*given_world)
    stored, appended = fill(blocks)
    sums: dict[bytes, int] = {}
    for row in appended:
        if isinstance(row, LedgerEntry):
            sums[row.ledger_id] = sums.get(row.ledger_id, 0) + row.delta_units
            assert row.balance_units == sums[row.ledger_id] >= 0
    assert some(sums) == held(stored, Ledger, lambda row: row.balance_units)
    for row in stored.values():
        if isinstance(row, Escrow):
            moved = row.released_units + row.refunded_units
            assert moved == row.amount_units if row.status == "closed" else moved < row.amount_units
            assert (row.outcome is not None) == (row.status == "closed")
    drawn = sum(row.drawn_units for row in stored.values() if isinstance(row, Pool))
    assert drawn == sum(row.drawn_units for row in stored.values() if isinstance(row, Channel))
    released = sum(row.released_units for row in stored.values() if isinstance(row, Escrow))
    paid = {"released", "fee"}
    assert released == sum(row.delta_units for row in appended if isinstance(row, LedgerEntry) and row.kind in paid)


@within
@given(worlds, st.integers(0, 20))
def test_stretches_and_what_is_remembered_between_them_change_nothing(
    given_world: tuple[int, int, list[int]], limit: int
) -> None:
    """One stretch, a stretch a block, or a workspace kept over blocks that forgets almost everything: same rows."""
    _, blocks = made(*given_world)
    stored, appended = fill(blocks)
    whole, whole_appended = fill([[item for logs in blocks for item in logs]])
    assert whole == stored
    assert whole_appended == appended
    kept: Stored = {}
    kept_appended: list[EventRow] = []
    workspace = Workspace()
    for logs in blocks:
        reduced(logs, workspace, kept)
        kept.update(deepcopy(workspace.changed))
        kept_appended += workspace.appended
        workspace.settle(limit)
    assert kept == stored
    assert kept_appended == appended


@within
@given(worlds)
def test_the_last_event_of_a_thing_says_what_its_row_says(given_world: tuple[int, int, list[int]]) -> None:
    _, blocks = made(*given_world)
    stored, appended = fill(blocks)
    last: dict[Key, EventRow] = {}
    for row in appended:
        if isinstance(row, EscrowEvent):
            last[Escrow, row.escrow_id] = row
        elif isinstance(row, PoolEvent):
            last[Pool, row.pool_id] = row
    for key, event in last.items():
        state = stored[key]
        shared = set(type(state).__slots__) | {"block_number", "log_index"}
        for name in shared & set(type(event).__slots__):
            assert getattr(event, name) == getattr(state, name), (key, name)
        place = event.place
        assert (state.block_number, state.log_index, state.tx_hash) == (
            place.block_number,
            place.log_index,
            place.tx_hash,
        )


def test_the_same_logs_make_the_same_rows_twice() -> None:
    first, second = (fill(made(7, 5, [60, 60, 60])[1]) for _ in range(2))
    assert first == second
