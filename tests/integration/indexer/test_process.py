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
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer import views
from indexer.__main__ import ExitCode
from tests.fixtures.chainlab import USDC, Lab
from tests.fixtures.services import ROOT, wait_for
from tests.fixtures.storelab import drop_mirror
from tests.integration.indexer.conftest import digest

Spawn = Callable[..., subprocess.Popen[bytes]]


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

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "indexer", *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    output.close()


def caught_up(engine: Engine, lab: Lab) -> bool:
    """Return whether the mirror stands at the node's newest block; it may not be there yet at all."""
    head = int(lab.chain.rpc("eth_blockNumber"), 16)
    try:
        with Session(engine) as session:
            return views.sync_status(session).head_number == head
    except (ProgrammingError, views.MirrorEmptyError):
        return False


@pytest.mark.timeout(420)
def test_killed_again_and_again_it_ends_with_the_same_rows(lab: Lab, engine: Engine, spawn: Spawn) -> None:
    lab.stake()
    process = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first start catches up", 90)
    for pause in (0.0, 0.03, 0.3, 0.9):
        lab.journey()
        lab.deposit_pool(USDC)
        time.sleep(pause)  # where in its work the process dies does not matter, only that it differs
        process.kill()
        process.wait()
        process = spawn()
    escrow_id = lab.journey()
    wait_for(lambda: caught_up(engine, lab), "the last start catches up", 90)
    with Session(engine) as session:
        assert views.escrow(session, escrow_id, Finality.SEEN) is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == ExitCode.OK
    kept = digest(engine)
    drop_mirror(engine)
    rebuilt = spawn()
    wait_for(lambda: _epoch(engine) == 1 and caught_up(engine, lab), "the mirror is built anew", 90)
    rebuilt.send_signal(signal.SIGTERM)
    assert rebuilt.wait(60) == ExitCode.OK
    assert digest(engine) == kept


def test_the_process_that_reads_ahead_goes_when_the_mirror_has_caught_up(
    lab: Lab, engine: Engine, spawn: Spawn
) -> None:
    lab.stake()
    process = spawn()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_for(lambda: len(children.read_text().split()) == 1, "a process reads ahead", 60)
    wait_for(lambda: caught_up(engine, lab), "it catches up", 90)
    wait_for(lambda: not children.read_text().split(), "it reads alone", 30)
    lab.deposit_pool(USDC)
    wait_for(lambda: caught_up(engine, lab), "it goes on", 60)


def test_the_loser_of_two_processes_exits_with_its_own_code(lab: Lab, engine: Engine, spawn: Spawn) -> None:
    first = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first one catches up", 90)
    second = spawn()
    wait_for(lambda: _epoch(engine) == 2, "the second one takes over", 90)
    lab.deposit_pool(USDC)
    assert first.wait(60) == ExitCode.LOST_RACE
    wait_for(lambda: caught_up(engine, lab), "the second one goes on", 60)
    assert second.poll() is None


def test_a_log_it_cannot_read_stops_it_with_a_dead_letter(lab: Lab, engine: Engine, spawn: Spawn) -> None:
    process = spawn()
    wait_for(lambda: caught_up(engine, lab), "the first start catches up", 90)
    # code that answers any call with LOG1 of an unknown topic: PUSH1 42 PUSH0 PUSH0 LOG1 STOP
    lab.chain.rpc("anvil_setCode", "0x" + lab.contracts.escrow.hex(), "0x602a5f5fa100")
    lab.send(lab.buyer, lab.contracts.escrow, b"")
    assert process.wait(60) == ExitCode.DEAD_LETTER
    with engine.connect() as connection:
        [letter] = connection.execute(text("SELECT block_number, error FROM chain.dead_letter")).all()
        cursor = connection.execute(text("SELECT number FROM chain.cursor")).scalar_one()
    assert letter.block_number == cursor + 1
    assert "topic" in letter.error


def _epoch(engine: Engine) -> int | None:
    """Return the running indexer's epoch, or None while there is no mirror."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT epoch FROM chain.cursor")).scalar_one_or_none()
    except ProgrammingError:
        return None
