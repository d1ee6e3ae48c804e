"""Starting, failing, stopping and continuing with the real PostgreSQL, Redis and chain."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from scripts.devnet.config import DevnetConfig
from scripts.devnet.errors import AlreadyRunningError, DevnetError
from scripts.devnet.ports import free_port
from scripts.devnet.probes import rpc_call
from scripts.devnet.process import is_same_process
from scripts.devnet.runfile import RunFile, ServiceState
from scripts.devnet.seed import AGENT_UNITS, BUYER_UNITS
from scripts.devnet.session import Devnet, Session
from scripts.devnet.stack import Part, Stack

ROOT = Path(__file__).resolve().parents[3]
STORAGE = frozenset({Part.POSTGRES, Part.REDIS, Part.CHAIN})


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.05)


def running(folder: Path) -> tuple[ServiceState, ...]:
    state = RunFile(folder).read()
    return state.services if state is not None else ()


def whole(path: Path) -> bytes:
    """Wait for a JSON file and return it as it is when nobody is in the middle of writing it."""
    found: list[bytes] = []

    def read() -> bool:
        with contextlib.suppress(OSError, ValueError):
            found.append(path.read_bytes())
            return json.loads(found[-1]) is not None
        return False

    until(read)
    return found[-1]


def left_alive(services: tuple[ServiceState, ...]) -> list[str]:
    return [service.name for service in services if is_same_process(service.pid, service.started)]


def block_number(devnet: Devnet, tag: str = "latest") -> int:
    block = rpc_call(devnet.rpc_url, "eth_getBlockByNumber", tag, False)
    assert isinstance(block, dict)
    return int(block["number"], 16)


def test_a_second_start_continues_with_the_same_chain_and_database(tmp_path: Path) -> None:
    with Devnet(tmp_path, parts=STORAGE) as devnet:
        with psycopg.connect(devnet.database_url) as connection:
            connection.execute("CREATE SCHEMA app CREATE TABLE note (text text)")
            connection.execute("INSERT INTO app.note VALUES ('kept')")
        until(lambda: block_number(devnet, "finalized") >= 1)
        before = rpc_call(devnet.rpc_url, "eth_getBlockByNumber", "0x1", False)
        services = running(tmp_path)
    assert [service.name for service in services] == ["postgres", "redis", "chain"]
    assert left_alive(services) == []
    with Devnet(tmp_path, parts=STORAGE) as devnet:
        assert rpc_call(devnet.rpc_url, "eth_getBlockByNumber", "0x1", False) == before
        with psycopg.connect(devnet.database_url) as connection:
            assert connection.execute("SELECT text FROM app.note").fetchall() == [("kept",)]
        height = block_number(devnet)
        until(lambda: block_number(devnet) > height)


def until_written_again(path: Path) -> None:
    before = path.stat().st_mtime_ns
    until(lambda: path.stat().st_mtime_ns != before)


def test_the_chain_keeps_its_genesis_over_many_starts_and_kills(tmp_path: Path) -> None:
    config = DevnetConfig(state_dir=tmp_path, api_port=free_port(), rpc_port=free_port())
    chain, seen = frozenset({Part.CHAIN}), set()

    def genesis(devnet: Devnet) -> str:
        block = rpc_call(devnet.rpc_url, "eth_getBlockByNumber", "0x0", False)
        assert isinstance(block, dict)
        return str(block["hash"])

    for start in range(7):
        with Devnet(tmp_path, parts=chain, config=config) as devnet:
            seen.add(genesis(devnet))
            until(lambda: block_number(devnet) >= 1)
            if start == 4:  # killed, its file is one of its own regular ones
                until_written_again(tmp_path / "chain.json")
                devnet.restart("chain", signal.SIGKILL)
                seen.add(genesis(devnet))
                devnet.stop("chain", signal.SIGKILL)
    assert len(seen) == 1


def test_a_chain_that_lost_its_last_seconds_is_told_with_the_remedy(tmp_path: Path) -> None:
    parts = frozenset({Part.POSTGRES, Part.CHAIN, Part.CONTRACTS, Part.INDEXER})
    with Devnet(tmp_path, parts=parts) as devnet:
        early = whole(tmp_path / "chain.json")
        known = block_number(devnet)
        with psycopg.connect(devnet.indexer_database_url, autocommit=True) as connection:
            final = "SELECT finalized_number FROM chain.cursor"
            until(lambda: connection.execute(final).fetchone()[0] > known)
    (tmp_path / "chain.json").write_bytes(early)
    sentence = "The local chain was killed and has lost its last seconds, so it no longer fits the database; "
    try:
        with Devnet(tmp_path, parts=parts) as devnet:
            until(lambda: sentence in " ".join(service.detail for service in running(tmp_path)))
            assert [service.state for service in running(tmp_path)][-1] == "crashed"
    except DevnetError as error:  # it may notice before or after it calls itself ready
        assert str(error) == sentence + "run `make clean`, then `make up`."


def test_only_the_indexer_may_write_what_the_indexer_made(tmp_path: Path) -> None:
    with Devnet(tmp_path, parts=frozenset({Part.POSTGRES})) as devnet:
        with psycopg.connect(devnet.indexer_database_url) as indexer:
            indexer.execute("CREATE SCHEMA chain_v1 CREATE TABLE deal (id int)")
            indexer.execute("INSERT INTO chain_v1.deal VALUES (7)")
        with psycopg.connect(devnet.database_url, autocommit=True) as app:
            assert app.execute("SELECT id FROM chain_v1.deal").fetchall() == [(7,)]
            for statement in (
                "INSERT INTO chain_v1.deal VALUES (8)",
                "UPDATE chain_v1.deal SET id = 8",
                "DELETE FROM chain_v1.deal",
                "DROP SCHEMA chain_v1 CASCADE",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute(statement)


def test_contracts_and_money_are_there_and_are_not_made_twice(tmp_path: Path) -> None:
    parts = frozenset({Part.CHAIN, Part.CONTRACTS, Part.WALLETS})

    def held(devnet: Devnet, address: str) -> int:
        call = {"to": devnet.deployment["contracts"]["usdc"], "data": "0x70a08231" + address[2:].rjust(64, "0")}
        return int(str(rpc_call(devnet.rpc_url, "eth_call", call, "latest")), 16)

    with Devnet(tmp_path, parts=parts) as devnet:
        first = devnet.deployment
        for account, units in (
            (devnet.accounts.buyer, BUYER_UNITS),
            (devnet.accounts.tabula, AGENT_UNITS),
            (devnet.accounts.lexis, AGENT_UNITS),
            (devnet.accounts.operator, 0),
        ):
            assert held(devnet, account.address) == units
    with Devnet(tmp_path, parts=parts) as devnet:
        assert devnet.deployment == first
        assert held(devnet, devnet.accounts.buyer.address) == BUYER_UNITS
        assert rpc_call(devnet.rpc_url, "eth_getCode", first["contracts"]["escrow"], "latest") != "0x"


def test_killed_services_come_back_with_their_data(tmp_path: Path) -> None:
    with Devnet(tmp_path, parts=STORAGE) as devnet:
        with psycopg.connect(devnet.database_url) as connection:
            connection.execute("CREATE SCHEMA app CREATE TABLE note (text text)")
        devnet.restart("postgres", signal.SIGKILL)
        with psycopg.connect(devnet.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM app.note").fetchone() == (0,)
        with redis.Redis.from_url(devnet.redis_url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        pid = devnet.pid("redis")
        os.kill(pid, signal.SIGKILL)
        until(lambda: devnet.pid("redis") != pid)


def test_a_step_that_fails_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[ServiceState, ...]] = []

    def fail(_: Stack) -> None:
        seen.append(running(tmp_path))
        raise DevnetError("the tables could not be made")

    monkeypatch.setattr(Stack, "_migrate", fail)
    with (
        pytest.raises(DevnetError, match="could not be made"),
        Devnet(tmp_path, parts=STORAGE | {Part.TABLES}),
    ):
        pass
    assert [service.name for service in seen[0]] == ["postgres", "redis", "chain"]
    assert left_alive(seen[0]) == []
    assert not RunFile(tmp_path).is_held()
    assert running(tmp_path) == ()
    assert not (tmp_path / "env").exists()


def test_state_of_a_first_start_that_failed_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Stack) -> None:
        raise DevnetError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "_migrate", fail)
        with pytest.raises(DevnetError), Devnet(tmp_path, parts=STORAGE | {Part.TABLES}):
            pass
    first = (tmp_path / "cluster.json").read_text()
    with Devnet(tmp_path, parts=STORAGE):
        assert (tmp_path / "cluster.json").read_text() != first


def test_a_chain_without_its_database_is_refused(tmp_path: Path) -> None:
    with Devnet(tmp_path, parts=STORAGE):
        pass
    (tmp_path / "chain.json").unlink()
    with pytest.raises(DevnetError, match=r"chain\.json is missing, so chain and database no longer fit; run `make"):
        Devnet(tmp_path, parts=STORAGE).__enter__()


def test_one_state_directory_runs_once(tmp_path: Path) -> None:
    with Devnet(tmp_path, parts=frozenset({Part.REDIS})):
        config = DevnetConfig(state_dir=tmp_path, api_port=free_port(), rpc_port=free_port())
        with pytest.raises(AlreadyRunningError):
            Session(config)
        again = [sys.executable, "-m", "scripts.devnet", "up", "--state-dir", str(tmp_path)]
        done = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0
        assert done.stdout.startswith("AICP is already running at http://localhost:")
        port = RunFile(tmp_path).read().port
        same = subprocess.run([*again, "--port", str(port)], cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert same.returncode == 0
        other = subprocess.run(
            [*again, "--port", "8099"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (other.returncode, other.stdout) == (1, "")
        assert other.stderr.startswith(f"Error: AICP is already running at http://localhost:{port} (process ")
        assert "not on port 8099; stop it with `aicp down` first" in other.stderr
        assert len(running(tmp_path)) == 1


def test_a_signal_during_the_start_stops_what_was_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.devnet", "up", "--port", str(free_port()), "--state-dir", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "RPC_PORT": str(free_port())}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("  PostgreSQL  ") for line in process.stdout)  # reads until the first such line
        services = running(tmp_path)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert services
    assert left_alive(services) == []
    assert "nothing is left running" in rest


def test_what_a_killed_run_left_is_ended_by_down(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from scripts.devnet.session import Devnet\n"
        "from scripts.devnet.stack import Part\n"
        "with Devnet(Path(sys.argv[1]), parts=frozenset({Part.POSTGRES, Part.REDIS})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    services = running(tmp_path)
    assert left_alive(services) == ["postgres", "redis"]
    status = [sys.executable, "-m", "scripts.devnet", "status", "--state-dir", str(tmp_path)]
    shown = subprocess.run(status, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 3
    assert shown.stdout.endswith(" was killed and has left running: PostgreSQL, Redis. `aicp down` ends them.\n")
    down = [sys.executable, "-m", "scripts.devnet", "down", "--state-dir", str(tmp_path)]
    done = subprocess.run(down, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout == "Ended what a killed run had left: Redis, PostgreSQL.\n"
    assert left_alive(services) == []


def test_status_and_down_without_a_run(tmp_path: Path) -> None:
    for action, code in (("status", 3), ("down", 0)):
        command = [sys.executable, "-m", "scripts.devnet", action, "--state-dir", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (code, "AICP is not running.\n")
