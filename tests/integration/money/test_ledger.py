"""The ledger's own rules, kept by the database whoever writes, and what orders post to it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backend.payments import ledger
from backend.payments.ledger import Kind
from backend.tasks import view as tasks
from tests.fixtures.moneylab import World

POOL = 5_000_000


def balances(world: World) -> dict[tuple[str, bytes], int]:
    """What every account holds."""
    rows = world.sql("SELECT account, owner, sum(delta_units) AS units FROM app.posting GROUP BY 1, 2")
    return {(row.account, bytes(row.owner)): int(row.units) for row in rows if row.units}


def of_orders(world: World) -> tuple[int, int, int]:
    """What the ledger and the kept columns say is reserved and earned, which must be the same; and what is left."""
    found = balances(world)
    pool = world.sql("SELECT reserved_units, earned_units FROM app.pool WHERE pool_id = :id", id=world.pool_id)[0]
    lane = world.lane().channel_id
    reserved = found.get(("reserved", world.pool_id), 0)
    earned = sum(units for (account, _), units in found.items() if account in {"owed", "claimed"})
    assert (reserved, earned) == (int(pool.reserved_units), int(pool.earned_units))
    kept = world.one("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=lane)
    assert found.get(("owed", lane), 0) + found.get(("claimed", lane), 0) == kept
    return reserved, earned, found.get(("available", world.pool_id), 0)


def test_orders_post_what_they_reserve_earn_and_give_back(world: World) -> None:
    world.deposit(POOL)
    first, second = world.deal(100_000), world.deal(30_000)
    world.place(first, world.order(first, POOL))
    world.place(second, world.order(second, POOL))
    reserved, earned, left = of_orders(world)
    assert (reserved, earned) == (130_000, 0)
    world.deliver(first)
    world.judge(first, accepted=True)
    assert of_orders(world) == (30_000, 100_000, left)
    world.deliver(second)
    world.judge(second, accepted=False)
    assert of_orders(world) == (0, 100_000, left + 30_000)
    spent = world.sql("SELECT spent_units FROM app.pool WHERE pool_id = :id", id=world.pool_id)[0]
    assert int(spent.spent_units) == 100_000, "what is given back does not count against the day"


def test_a_buyer_is_shown_with_the_share_it_has_rejected(world: World) -> None:
    task = world.post(30_000)
    shown = world.read(lambda s: tasks.task_out(s, world.ctx, task, None)).buyer_record
    assert shown is not None
    assert (shown.decided, shown.rejected, shown.rejected_bps) == (2, 1, 5_000)


def test_postings_that_do_not_add_up_stop_the_commit(world: World) -> None:
    def write(session: Any) -> None:
        entry = session.execute(text("INSERT INTO app.ledger_entry (kind) VALUES ('pay') RETURNING id")).scalar_one()
        session.execute(
            text("INSERT INTO app.posting VALUES (:id, 'available', '\\x01', -5), (:id, 'owed', '\\x02', 4)"),
            {"id": entry},
        )

    before = balances(world)
    with pytest.raises(DBAPIError, match="ledger_entry_balances"):
        world.machine.db.write(write)
    assert balances(world) == before
    with pytest.raises(ledger.UnbalancedError):
        world.machine.db.write(
            lambda s: ledger.post(s, Kind.PAY, None, {ledger.available(b"\1"): -5, ledger.owed(b"\2"): 4})
        )


def test_an_entry_without_postings_stops_the_commit(world: World) -> None:
    with pytest.raises(DBAPIError, match="ledger_entry_balances"):
        world.sql("INSERT INTO app.ledger_entry (kind) VALUES ('pay')")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.posting SET delta_units = delta_units + 1",
        "DELETE FROM app.posting",
        "UPDATE app.ledger_entry SET kind = 'void'",
        "DELETE FROM app.ledger_entry",
    ],
)
def test_the_ledger_is_never_changed(world: World, statement: str) -> None:
    before = balances(world)
    with pytest.raises(DBAPIError, match="never changed"):
        world.sql(statement)
    assert balances(world) == before


def test_a_posting_joins_only_an_entry_of_its_own_commit(world: World) -> None:
    entry = world.machine.db.write(
        lambda s: ledger.move(s, Kind.PAY, None, 5, source=ledger.available(b"\1"), target=ledger.owed(b"\2"))
    )
    for strange in (entry, entry + 1_000_000):
        with pytest.raises(DBAPIError, match="posting_joins_own_entry"):
            world.sql(
                "INSERT INTO app.posting VALUES (:id, 'available', '\\x03', -5), (:id, 'owed', '\\x04', 5)", id=strange
            )
