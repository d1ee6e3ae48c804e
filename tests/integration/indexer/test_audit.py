"""`aicp audit` on a real chain with a real mirror: nothing to say, and then exactly what was falsified."""

from __future__ import annotations

import csv
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
from aicp.abi import usdc as usdc_abi
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
        environ = {"AICP_HOME": str(tmp_path / "home")}
        return CliRunner().invoke(audit, [*arguments, "--db", fresh_pg_url] if db else arguments, env=environ)

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
    assert "\n1 difference (1 in the mirror):\n" in shown.output
    assert f"escrow {hex0(busy)} released_units: mirror says 24.999999 USDC, chain says 25.00 USDC" in shown.output


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


FLIP = "UPDATE {p}.{table} SET {column} = set_byte({column}, 0, 255 - get_byte({column}, 0)) WHERE {where}"
LAST_LOG = "(block_number, log_index) = (SELECT block_number, log_index FROM {p}.log ORDER BY 1 DESC, 2 DESC LIMIT 1)"
NEXT_BLOCK = "number = (SELECT max(number) FROM {p}.block)"
FALSIFIED = [  # what is done, how it is undone, and what the audit must name
    (FLIP.format(p="{p}", table="log", column="data", where=LAST_LOG), None, {("log", "data")}),
    (FLIP.format(p="{p}", table="log", column="topics[1]", where=LAST_LOG), None, {("log", "topics")}),
    (FLIP.format(p="{p}", table="log", column="tx_hash", where=LAST_LOG), None, {("log", "tx_hash")}),
    (
        f"UPDATE {{p}}.log SET log_index = log_index + 1000 WHERE {LAST_LOG}",
        f"UPDATE {{p}}.log SET log_index = log_index - 1000 WHERE {LAST_LOG}",
        {("log", "(row)")},
    ),
    (
        "UPDATE {p}.log SET block_number = -7 WHERE block_number = (SELECT min(block_number) FROM {p}.log)",
        "UPDATE {p}.log SET block_number = (SELECT min(block_number) FROM {p}.escrow_config) WHERE block_number = -7",
        {("log", "(row)")},
    ),
    (
        "UPDATE {p}.pool_event SET block_number = block_number + 100000",
        "UPDATE {p}.pool_event SET block_number = block_number - 100000",
        {("pool_event", "(row)")},
    ),
    (FLIP.format(p="{p}", table="cursor", column="finalized_hash", where="true"), None, {("cursor", "finalized_hash")}),
    (
        "UPDATE {p}.cursor SET block_time = block_time + 1, finalized_time = finalized_time + 1",
        "UPDATE {p}.cursor SET block_time = block_time - 1, finalized_time = finalized_time - 1",
        {("cursor", "block_time"), ("cursor", "finalized_time")},
    ),
    (FLIP.format(p="{p}", table="block", column="parent_hash", where=NEXT_BLOCK), None, {("block", "parent_hash")}),
    (
        f"UPDATE {{p}}.block SET number = number + 100 WHERE {NEXT_BLOCK}",
        f"UPDATE {{p}}.block SET number = number - 100 WHERE {NEXT_BLOCK}",
        {("block", "(row)")},
    ),
]


@pytest.mark.timeout(400)
def test_what_the_indexer_keeps_for_itself_is_compared_too(
    busy: bytes, engine: Engine, run: Callable[..., Result]
) -> None:
    for done, undone, expected in FALSIFIED:
        with engine.begin() as connection:
            assert connection.execute(text(done.format(p=PHYSICAL))).rowcount > 0, done
        answer = run("--json")
        found = json.loads(answer.stdout)["differences"]
        assert (answer.exit_code, {(one["table"], one["column"]) for one in found}) == (1, expected), done
        with engine.begin() as connection:
            connection.execute(text((undone or done).format(p=PHYSICAL)))
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {PHYSICAL}.health"))
        connection.execute(text(f"INSERT INTO {PHYSICAL}.health VALUES (1, 'stalled', 'no final block for an hour')"))
        connection.execute(text(f"INSERT INTO {PHYSICAL}.missing_range VALUES (3, 4, 'the node was down')"))
    answer = run()
    assert answer.exit_code == 0, answer.output
    assert "The indexer says it is stalled: no final block for an hour" in answer.output
    assert "The mirror passed over blocks 3 to 4 and has yet to read them." in answer.output


def test_logs_that_contradict_themselves_have_their_own_exit_code(
    lab: Lab, run: Callable[..., Result], tmp_path: Path
) -> None:
    lab.stake()
    lab.fund(terms := lab.terms())
    late = {**lab.deployment().to_json(), "deployBlock": int(lab.chain.rpc("eth_blockNumber"), 16) + 1}
    lab.accept(terms)
    lab.chain.mine(3)
    (tmp_path / "late.json").write_text(json.dumps(late))
    answer = CliRunner().invoke(audit, ["--rpc", lab.chain.url, "--deployment", str(tmp_path / "late.json")])
    assert answer.exit_code == 4
    assert "the logs contradict themselves: block " in answer.output


def test_files_it_reads_and_writes(lab: Lab, busy: bytes, run: Callable[..., Result], tmp_path: Path) -> None:
    lines, kept = tmp_path / "all.csv", tmp_path / "kept.sqlite"
    answer = run("--csv", str(lines), "--checkpoint", str(kept), "--fresh", "--json")
    assert answer.exit_code == 0, answer.output
    assert not kept.exists()
    with lines.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    [chain, mirror] = [r for r in rows if (r["kind"], r["key"], r["field"]) == ("escrow", hex0(busy), "released_units")]
    assert (chain["derived"], chain["chain"], chain["mirror"]) == (str(25 * USDC), str(25 * USDC), "")
    assert (mirror["derived"], mirror["chain"], mirror["mirror"]) == (str(25 * USDC), "", str(25 * USDC))
    assert int(chain["block"]) > 0
    assert chain["tx"].startswith("0x")
    for option in ("--vouchers", "--scores"):
        assert run(option, str(lines)).exit_code == 2
    kept.write_text("no checkpoint, whatever its name says" * 20)
    assert run("--checkpoint", str(kept)).exit_code == 2
    shown = CliRunner().invoke(audit, ["--help"]).output
    assert [line.split()[0] for line in shown[shown.index("Exit codes:") :].splitlines()[1:6]] == list("01234")


def test_a_mirror_of_other_contracts_is_no_mirror_to_compare(
    lab: Lab, busy: bytes, engine: Engine, run: Callable[..., Result]
) -> None:
    for column, reason in (("genesis_hash", "another chain"), ("deployment_digest", "other contracts")):
        flip = FLIP.format(p=PHYSICAL, table="meta", column=column, where="true")
        with engine.begin() as connection:
            connection.execute(text(flip))
        answer = run()
        assert (answer.exit_code, reason in answer.output) == (2, True), answer.output
        with engine.begin() as connection:
            connection.execute(text(flip))


def test_money_that_left_by_no_event_is_found(lab: Lab, busy: bytes, run: Callable[..., Result]) -> None:
    lab.chain.rpc("anvil_impersonateAccount", hex0(lab.contracts.escrow))
    lab.chain.rpc("anvil_setBalance", hex0(lab.contracts.escrow), hex(10**18))
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
    assert f"escrow {hex0(busy)} released_units: mirror says 0.000001 USDC, chain says 25.00 USDC" in dirty.stdout
