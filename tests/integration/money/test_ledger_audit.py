"""`aicp audit --db` reads the service's ledger and vouchers: nothing to say, and then exactly what was falsified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from backend.worker import sweeps
from indexer.audit.command import audit
from tests.fixtures.moneylab import USDC, World

POOL = 2 * USDC


@pytest.fixture(scope="module", autouse=True)
def busy(world: World) -> None:
    """A pool with a payment that is claimed, one that is owed and one in flight; the ledger has followed."""
    world.deposit(POOL)
    for units, ends in ((300_000, "claimed"), (100_000, "owed"), (50_000, "in flight")):
        deal = world.deal(units)
        world.place(deal, world.order(deal, POOL))
        if ends != "in flight":
            world.deliver(deal)
            world.judge(deal, accepted=True)
        if ends == "claimed":
            world.clock.added += world.ctx.constants.settle_age_seconds
            assert sweeps.settle(world.machine) == 1
            world.turn()
    sweeps.follow_ledger(world.machine)


def differences(world: World, folder: Path) -> set[tuple[str, str]]:
    arguments = ["--rpc", world.chain.url, "--deployment", str(world.ctx.settings.deployment), "--json", "--fresh",
                 "--db", world.database_url]  # fmt: skip
    result = CliRunner().invoke(audit, arguments, env={"AICP_HOME": str(folder)})
    report = json.loads(result.stdout)
    assert result.exit_code == (1 if report["differences"] else 0)
    return {(one["table"], one["column"]) for one in report["differences"]}


def test_an_honest_ledger_agrees(world: World, tmp_path: Path) -> None:
    assert differences(world, tmp_path) == set()


@pytest.mark.parametrize(
    ("falsify", "restore", "found"),
    [
        (
            "UPDATE app.channel SET ceiling_units = ceiling_units + 9, earned_units = earned_units + 9",
            "UPDATE app.channel SET ceiling_units = ceiling_units - 9, earned_units = earned_units - 9",
            {("ledger of channel", "earned_units")},
        ),
        (
            "UPDATE app.channel SET claimed_units = claimed_units - 1",
            "UPDATE app.channel SET claimed_units = claimed_units + 1",
            {("ledger of channel", "claimed_units")},
        ),
        (
            "UPDATE app.pool SET reserved_units = reserved_units + 1",
            "UPDATE app.pool SET reserved_units = reserved_units - 1",
            {("ledger of pool", "reserved_units")},
        ),
        (
            "UPDATE app.posting SET delta_units = delta_units + 7 WHERE account = 'available' AND delta_units > 0",
            "UPDATE app.posting SET delta_units = delta_units - 7 WHERE account = 'available' AND delta_units > 0",
            {("ledger entry", "sum_units"), ("ledger of pool", "balance_units")},
        ),
        (
            ("UPDATE app.posting SET delta_units = delta_units + CASE account WHEN 'claimed' THEN 5 ELSE -5 END "
            "WHERE entry_id IN (SELECT id FROM app.ledger_entry WHERE kind = 'claim')"),
            ("UPDATE app.posting SET delta_units = delta_units - CASE account WHEN 'claimed' THEN 5 ELSE -5 END "
            "WHERE entry_id IN (SELECT id FROM app.ledger_entry WHERE kind = 'claim')"),
            {("ledger of channel", "claimed_units"), ("ledger of channel", "total_claimed_units"),
             ("ledger of pool", "balance_units")},
        ),
        (
            "UPDATE app.voucher SET signature = set_byte(signature, 3, 255 - get_byte(signature, 3))",
            "UPDATE app.voucher SET signature = set_byte(signature, 3, 255 - get_byte(signature, 3))",
            {("vouchers of channel", f"signer of {POOL}")},
        ),
    ],
    ids=["earned", "claimed", "reserved", "unbalanced", "claimed too much", "voucher"],
)  # fmt: skip
def test_what_was_falsified_is_named(
    world: World, tmp_path: Path, falsify: str, restore: str, found: set[tuple[str, str]]
) -> None:
    def run(statement: str) -> None:
        with world.machine.db.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # past the database's own guards
            connection.execute(text(statement))

    run(falsify)
    try:
        assert differences(world, tmp_path) == found
    finally:
        run(restore)
    assert differences(world, tmp_path) == set()
