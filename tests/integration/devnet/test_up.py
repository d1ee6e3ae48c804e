"""`aicp up --detach`, `status` and `down` as a person uses them, with everything but the demo agents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from scripts.devnet.ports import free_port
from scripts.devnet.process import is_same_process
from scripts.devnet.runfile import RunFile

ROOT = Path(__file__).resolve().parents[3]
AICP = (sys.executable, "-m", "aicp.cli.main")


def aicp(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AICP, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.timeout(240)
def test_up_in_the_background_then_status_then_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, rpc_port = free_port(), free_port()
    monkeypatch.setenv("RPC_PORT", str(rpc_port))
    place = ("--state-dir", str(tmp_path))
    up = aicp("up", "--detach", "--no-demo", "--port", str(port), *place, timeout=180)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        assert f"  Open       http://localhost:{port}\n" in up.stdout
        assert "Ctrl-C" not in up.stdout
        assert "`aicp down` stops it; logs are in " in up.stdout
        assert up.stdout.startswith("Starting AICP ...\n  PostgreSQL data ...\n  PostgreSQL data  ")
        assert f"RPC URL http://127.0.0.1:{rpc_port}, chain id 31337, currency ETH\n" in up.stdout
        assert "  Test key   0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba " in up.stdout
        with urllib.request.urlopen(f"http://localhost:{port}/ready", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://localhost:{port}/", timeout=10) as answer:
            assert b"<!doctype html>" in answer.read().lower()
        assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
        again = aicp("up", "--detach", *place)
        assert (again.returncode, again.stdout.split(" (")[0]) == (
            0,
            f"AICP is already running at http://localhost:{port}",
        )
        shown = aicp("status", *place)
        assert shown.returncode == 0, shown.stdout
        state = RunFile(tmp_path).read()
        assert state is not None
        assert [service.name for service in state.services] == [
            "postgres",
            "redis",
            "chain",
            "indexer",
            "worker",
            "api",
            "vouchers",
        ]
        os.kill(state.services[3].pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while "1 restart(s)" not in aicp("status", *place).stdout:
            assert time.monotonic() < deadline, "the indexer was not started again"
        state = RunFile(tmp_path).read()
        assert state is not None
    finally:
        down = aicp("down", *place, timeout=120)
    assert (down.returncode, down.stdout) == (0, "AICP is stopped.\n")
    assert not [service.name for service in state.services if is_same_process(service.pid, service.started)]
    assert not is_same_process(state.pid, state.started)
    assert aicp("status", *place).returncode == 3
