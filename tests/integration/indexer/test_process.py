"""The indexer as a process: killed at any moment, stopped politely, refused, and stopped by what it cannot read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer import views
from indexer.__main__ import ExitCode
from indexer.runner import Runner
from tests.fixtures.chainlab import USDC, Lab
from tests.fixtures.services import ROOT, wait_for
from tests.integration.indexer.conftest import digest, settle

Spawn = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def spawn(lab: Lab, fresh_pg_url: str, tmp_path: Path):
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(lab.deployment().to_json()))
    environment = {
        **os.environ,
        "AICP_INDEXER_DATABASE_URL": fresh_pg_url,
        "AICP_RPC_URLS": lab.chain.url,
        "AICP_CHAIN_ID": "31337",
        "AICP_DEPLOYMENT": str(file),
        "AICP_POLL_SECONDS": "0.02",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}",
    }
    started: list[subprocess.Popen[bytes]] = []
    output = (tmp_path / "indexer.log").open("ab")

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "indexer"]
        started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    output.close()


def caught_up(engine: Engine, lab: Lab) -> bool:
    head = int(lab.chain.rpc("eth_blockNumber"), 16)
    with engine.connect() as connection:
        if connection.execute(text("SELECT to_regclass('chain.cursor')")).scalar_one() is None:
            return False
    with Session(engine) as session:
        try:
            return views.sync_status(session).head_number == head
        except views.MirrorEmptyError:
            return False


def test_killed_again_and_again_it_ends_with_the_same_rows(
    lab: Lab, engine: Engine, spawn: Spawn, new_runner: Callable[[], Runner]
) -> None:
    lab.stake()
    process = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first start catches up")
    for pause in (0.0, 0.03, 0.3, 0.9):
        lab.journey()
        lab.deposit_pool(USDC)
        time.sleep(pause)  # where in its work the process dies does not matter, only that it differs
        process.kill()
        process.wait()
        process = spawn()
    escrow_id = lab.journey()
    wait_for(lambda: caught_up(engine, lab), "the last start catches up", 60)
    with Session(engine) as session:
        assert views.escrow(session, escrow_id, Finality.SEEN) is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == ExitCode.OK
    kept = digest(engine)
    runner = new_runner()
    runner._store.uninstall()
    settle(runner)
    assert digest(engine) == kept


def test_the_loser_of_two_processes_exits_with_its_own_code(lab: Lab, engine: Engine, spawn: Spawn) -> None:
    first = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first one catches up")
    second = spawn()
    wait_for(lambda: _epoch(engine) == 2, "the second one takes over")
    lab.deposit_pool(USDC)
    assert first.wait(20) == ExitCode.LOST_RACE
    wait_for(lambda: caught_up(engine, lab), "the second one goes on")
    assert second.poll() is None


def test_a_log_it_cannot_read_stops_it_with_a_dead_letter(lab: Lab, engine: Engine, spawn: Spawn) -> None:
    process = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first start catches up")
    # code that answers any call with LOG1 of an unknown topic: PUSH1 42 PUSH0 PUSH0 LOG1 STOP
    lab.chain.rpc("anvil_setCode", "0x" + lab.contracts.escrow.hex(), "0x602a5f5fa100")
    lab.send(lab.buyer, lab.contracts.escrow, b"")
    assert process.wait(20) == ExitCode.DEAD_LETTER
    with engine.connect() as connection:
        [letter] = connection.execute(text("SELECT block_number, error FROM chain.dead_letter")).all()
        cursor = connection.execute(text("SELECT number FROM chain.cursor")).scalar_one()
    assert letter.block_number == cursor + 1
    assert "topic" in letter.error


def _epoch(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT epoch FROM chain.cursor")).scalar_one()
