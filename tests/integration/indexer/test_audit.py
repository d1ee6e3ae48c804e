"""`aicp audit` on a real chain with a real mirror: nothing to say, and then exactly what was falsified."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.audit.command import audit
from indexer.runner import Runner
from indexer.store.schema import PHYSICAL
from tests.fixtures.chainlab import USDC, Lab, hex0
from tests.integration.indexer.conftest import settle

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def busy(lab: Lab, new_runner: Callable[[], Runner]) -> bytes:
    """A chain where every kind of money has moved, and its mirror; return the id of a finished escrow."""
    lab.stake()
    done = lab.journey()
    lab.fund(given_back := lab.terms())
    lab.accept(given_back)
    lab.send(lab.agent, lab.contracts.escrow, escrow_abi.encode_refund(given_back, given_back.amount))
    lab.fund(partly := lab.terms())
    lab.accept(partly)
    lab.release(partly, 7 * USDC)
    lab.fund(lab.terms())
    lab.send(lab.agent, lab.contracts.escrow, escrow_abi.encode_withdraw(3 * USDC))
    lab.send(lab.agent, lab.contracts.reputation, reputation_abi.encode_request_unstake(10 * USDC))
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    asked = channel_abi.encode_initiate_pool_withdraw(ZERO_ADDRESS, lab.operator, 2 * USDC)
    lab.send(lab.buyer, lab.contracts.payment_channel, asked)
    lab.chain.mine(3)
    settle(new_runner())
    return done


@pytest.fixture
def run(lab: Lab, fresh_pg_url: str, tmp_path: Path) -> Callable[..., Result]:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(lab.deployment().to_json()))

    def call(*extra: str, db: bool = True) -> Result:
        arguments = ["--rpc", lab.chain.url, "--deployment", str(file), *extra]
        return CliRunner().invoke(audit, [*arguments, "--db", fresh_pg_url] if db else arguments)

    return call


def test_it_agrees_and_then_names_the_falsified_row(
    lab: Lab, busy: bytes, engine: Engine, run: Callable[..., Result]
) -> None:
    clean = run("--json")
    report = json.loads(clean.stdout)
    assert (clean.exit_code, report["differences"]) == (0, []), clean.output
    assert {
        f"{table} values against the contracts"
        for table in ("escrow", "ledger", "channel", "pool", "receiver", "stake")
    } <= set(report["checked"])
    assert run(db=False).exit_code == 0
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {PHYSICAL}.escrow SET released_units = released_units - 1 WHERE escrow_id = :id"),
            {"id": busy},
        )
    broken = run("--json")
    assert broken.exit_code == 1
    [difference] = json.loads(broken.stdout)["differences"]
    assert difference["table"] == "escrow"
    assert difference["key"] == hex0(busy)
    assert difference["column"] == "released_units"
    assert (difference["mirror_value"], difference["chain_value"]) == (str(25 * USDC - 1), str(25 * USDC))
    assert difference["tx_hash"].startswith("0x")
    shown = run()
    assert shown.exit_code == 1
    assert "\n1 difference:\n" in shown.output
    assert f"escrow {hex0(busy)} released_units: mirror says {25 * USDC - 1}, chain says {25 * USDC}" in shown.output


def test_a_missing_and_an_invented_row_are_named(busy: bytes, engine: Engine, run: Callable[..., Result]) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {PHYSICAL}.pool_event WHERE kind = 'deposited'"))
        connection.execute(text(f"UPDATE {PHYSICAL}.ledger SET account = decode(repeat('ab', 20), 'hex') WHERE false"))
        connection.execute(
            text(
                f"INSERT INTO {PHYSICAL}.receiver SELECT decode(repeat('ab', 20), 'hex'), 5, 5, number, 0, hash, hash "
                f"FROM {PHYSICAL}.cursor"
            )
        )
    answer = run("--json")
    found = {(d["table"], d["column"], d["mirror_value"]) for d in json.loads(answer.stdout)["differences"]}
    assert answer.exit_code == 1
    assert found == {("pool_event", "(row)", "absent"), ("receiver", "(row)", "present")}


def test_money_that_left_by_no_event_is_found(lab: Lab, busy: bytes, run: Callable[..., Result]) -> None:
    lab.chain.rpc("anvil_impersonateAccount", hex0(lab.contracts.escrow))
    lab.chain.rpc("anvil_setBalance", hex0(lab.contracts.escrow), hex(10**18))
    from aicp.abi import usdc as usdc_abi

    lab.send(lab.contracts.escrow, lab.usdc, usdc_abi.encode_transfer(lab.other, USDC))
    lab.chain.mine(2)
    answer = run("--json", db=False)
    assert answer.exit_code == 1
    [difference] = json.loads(answer.stdout)["differences"]
    assert (difference["source"], difference["table"]) == ("conservation", "escrow")
    assert int(difference["derived_value"]) - int(difference["contract_value"]) == USDC


def test_a_silent_node_and_database_have_their_own_exit_code(
    lab: Lab, run: Callable[..., Result], tmp_path: Path
) -> None:
    file = str(tmp_path / "deployment.json")
    assert CliRunner().invoke(audit, ["--rpc", "http://127.0.0.1:9", "--deployment", file]).exit_code == 3
    silent = ["--rpc", lab.chain.url, "--deployment", file, "--db", "postgresql://nobody@127.0.0.1:9/none"]
    assert CliRunner().invoke(audit, silent).exit_code == 3
    missing = ["--rpc", lab.chain.url, "--deployment", str(tmp_path / "none.json")]
    assert CliRunner().invoke(audit, missing).exit_code == 2


def make_audit(state: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "AICP_STATE_DIR": str(state)}
    return subprocess.run(
        ["make", "audit"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.timeout(300)
def test_make_audit_compares_the_mirror_and_says_when_nothing_runs(
    lab: Lab, busy: bytes, engine: Engine, fresh_pg_url: str, tmp_path: Path
) -> None:
    nothing = make_audit(tmp_path)
    assert nothing.returncode != 0
    assert nothing.stderr.startswith("AICP is not running, so there is nothing to audit; start it with `make up`.\n")
    (tmp_path / "deployment.json").write_text(json.dumps(lab.deployment().to_json()))
    settings = {
        "AICP_RPC_URLS": lab.chain.url,
        "AICP_DEPLOYMENT": str(tmp_path / "deployment.json"),
        "AICP_DATABASE_URL": fresh_pg_url,
    }
    (tmp_path / "env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    clean = make_audit(tmp_path)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "Mirror compared at block " in clean.stdout
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {PHYSICAL}.escrow SET released_units = 1 WHERE escrow_id = :id"), {"id": busy})
    dirty = make_audit(tmp_path)
    assert "Error 1\n" in dirty.stderr, "the audit's own exit code"
    assert f"escrow {hex0(busy)} released_units: mirror says 1, chain says {25 * USDC}" in dirty.stdout
