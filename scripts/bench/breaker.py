"""How fast a call to an agent that rests is refused: by the breaker in memory, and by the API over one connection."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import psycopg
from sqlalchemy import URL

from backend.breakers.errors import AgentResting
from backend.breakers.gate import Gate, wall_ms
from backend.breakers.service import Known
from backend.db.engine import Database, make_async_engine
from backend.domain.breaker import Breaker, State
from scripts.bench.results import Figure
from scripts.bench.servers import BenchError, stop
from scripts.bench.voucherground import Ground, address_named
from scripts.devnet.ports import free_port
from scripts.suites.model import ROOT

IN_PROCESS: Final = 200_000
OVER_HTTP: Final = 5_000
_WARM_UP: Final = 200
_HOUR_MS: Final = 3_600_000
_AGENT: Final = address_named("agent at rest")
_ROAD: Final = "/x402/agents/weary/answers"
_SERVICE_UNAVAILABLE: Final = 503


def measure(database: URL) -> list[Figure]:
    """Return the figures, medians and p99. Raises BenchError when a call is let through."""
    inside = _timed(_in_process(database), IN_PROCESS)
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(database, Path(folder))
        ground.prepare(pools=1, agents=1)
        _put_to_rest(ground)
        with _api(ground) as (port, process):
            reject, before = _over_http(port), _cpu_seconds(process)
            outside = _timed(reject, OVER_HTTP)
            cpu_ms = (_cpu_seconds(process) - before) * 1_000 / (_WARM_UP + OVER_HTTP)
    return [
        Figure("breaker.reject_us", _quantile(inside, 0.5), "us, in process"),
        Figure("breaker.reject_p99_us", _quantile(inside, 0.99), "us, in process"),
        Figure("breaker.reject_api_ms", round(_quantile(outside, 0.5) / 1_000, 3), "ms, over HTTP"),
        Figure("breaker.reject_api_cpu_ms", round(cpu_ms, 3), "ms of the API's processor"),
        Figure("breaker.reject_api_p99_ms", round(_quantile(outside, 0.99) / 1_000, 3), "ms, over HTTP"),
    ]


def _timed(reject: Callable[[], None], times: int) -> list[float]:
    """Return how many microseconds each call took, in order of size."""
    taken: list[float] = []
    for _ in range(_WARM_UP + times):
        began = time.perf_counter_ns()
        reject()
        taken.append((time.perf_counter_ns() - began) / 1_000)
    return sorted(taken[_WARM_UP:])


def _quantile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def _in_process(database: URL) -> Callable[[], None]:
    url = database.render_as_string(hide_password=False)
    gate = Gate(url, Database(make_async_engine(url)))
    rests = Breaker(State.OPEN, turn=1, failures=5, rest_ms=_HOUR_MS, until_ms=wall_ms() + _HOUR_MS)
    gate.learn(Known(_AGENT, 1, rests))

    def reject() -> None:
        try:
            gate.require(_AGENT)
        except AgentResting:
            return
        raise BenchError("an agent that rests is called")

    return reject


def _put_to_rest(ground: Ground) -> None:
    """Register an agent with a paid endpoint whose breaker is open."""
    with psycopg.connect(ground.url) as connection:
        connection.execute(
            "INSERT INTO app.agent (address, slug, name, description, capabilities, capacity) "
            "VALUES (%s, 'weary', 'Weary', '', '{ocr}', 10)",
            (_AGENT,),
        )
        connection.execute(
            "INSERT INTO app.paid_endpoint (id, agent, slug, upstream_url, price_units, description, mime_type, "
            "payment_id_required, free_again_seconds, active) VALUES (gen_random_uuid(), %s, 'answers', "
            "'http://127.0.0.1:1/', 1000, '', 'application/json', false, 0, true)",
            (_AGENT,),
        )
        connection.execute(
            "INSERT INTO app.breaker (agent, version, state, turn, failures, rest_ms, until_ms, given, succeeded, "
            "opened) VALUES (%s, 5, 'open', 1, 5, %s, %s, 0, 0, 1)",
            (_AGENT, _HOUR_MS, wall_ms() + _HOUR_MS),
        )


@contextmanager
def _api(ground: Ground) -> Iterator[tuple[int, int]]:
    port = free_port()
    environment = ground.environment(AICP_PORT=str(port), AICP_FILES_DIR=str(ground.folder / "files"))
    with (ground.folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.api"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            _wait_for(port, process)
            yield port, process.pid
        finally:
            stop(process)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise BenchError("the API did not start")


def _cpu_seconds(process: int) -> float:
    used = psutil.Process(process).cpu_times()
    return float(used.user + used.system)


def _over_http(port: int) -> Callable[[], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def reject() -> None:
        connection.request("GET", _ROAD)
        answer = connection.getresponse()
        answer.read()
        if answer.status != _SERVICE_UNAVAILABLE:
            raise BenchError(f"an agent that rests is sold: {answer.status}")

    return reject
