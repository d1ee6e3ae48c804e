"""Processes die, the database goes away, clients send too much: nothing acknowledged is lost, nothing is paid twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from backend.failpoints import EXIT_CODE
from tests.fixtures.moneylab import World
from tests.fixtures.services import wait_for
from tests.fixtures.voucherlab import Shards, paid, receiver, voucher


@pytest.fixture
def lone(world: World) -> Iterator[Shards]:
    """One shard that a test may kill."""
    made = Shards(world, count=1)
    yield made
    made.close()


def test_killed_after_the_commit_and_before_the_answer_the_repeat_pays_nothing(world: World, lone: Shards) -> None:
    before, body = paid(world), voucher(world, receiver(200), 500)
    lone.changes = {"AICP_BACKEND_FAILPOINT": "vouchers.group_stored"}
    lone.start()
    with pytest.raises(httpx.TransportError):
        lone.send(body)
    assert lone.processes[0].wait(10) == EXIT_CODE
    assert paid(world) == before + 500
    lone.processes[0] = lone.spawn(0, AICP_BACKEND_FAILPOINT="")
    lone.wait(0)
    again = lone.send(body)
    assert (again.status_code, again.json()["price_units"], again.json()["repeated"]) == (200, "500", True)
    assert paid(world) == before + 500


def test_killed_between_the_queue_and_the_commit_the_repeat_pays_once(world: World, lone: Shards) -> None:
    before, body = paid(world), voucher(world, receiver(201), 600)
    lone.changes = {"AICP_BACKEND_FAILPOINT": "vouchers.group_ready"}
    lone.start()
    with pytest.raises(httpx.TransportError):
        lone.send(body)
    assert lone.processes[0].wait(10) == EXIT_CODE
    assert paid(world) == before
    lone.processes[0] = lone.spawn(0, AICP_BACKEND_FAILPOINT="")
    lone.wait(0)
    again = lone.send(body)
    assert (again.status_code, again.json()["repeated"]) == (200, False)
    assert paid(world) == before + 600


def persist(
    lone: Shards, world: World, agent: bytes, steps: int, *, unknown: threading.Event, harmed: threading.Event
) -> int:
    """Pay step by step, sending each voucher until it is acknowledged; return the last ceiling.

    It goes on after its steps until the harm is done, however fast it was.
    """
    step = 0
    while step < steps or not harmed.is_set():
        step += 1
        body = voucher(world, agent, step)

        def acknowledged(body: dict[str, object] = body) -> bool:
            try:
                answer = lone.send(body)
            except httpx.TransportError:
                unknown.set()
                return False
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 503:
                unknown.set()
            return answer.status_code == 200

        wait_for(acknowledged, f"step {step} is acknowledged", 60)
    return step


def test_killed_again_and_again_under_load(world: World, lone: Shards) -> None:
    before, unknown, harmed = paid(world), threading.Event(), threading.Event()
    lone.start()
    agents = [receiver(300 + number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(persist, lone, world, agent, 60, unknown=unknown, harmed=harmed) for agent in agents]
        try:
            for _ in range(3):
                wait_for(lambda: lone.health(0).get("accepted", 0) > 20, "payments are taken")
                lone.kill(0)
                lone.processes[0] = lone.spawn(0)
        finally:
            harmed.set()
        total = sum(done.result() for done in work)
    assert unknown.is_set()
    assert paid(world) == before + total


def shut(world: World, *, closed: bool) -> None:
    """Let the database refuse connections and end those of the shards, or take them again."""
    url = make_url(world.database_url)
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{url.database}" WITH ALLOW_CONNECTIONS {str(not closed).lower()}'))
        if closed:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = :name AND application_name LIKE 'aicp-vouchers%'"
                ),
                {"name": url.database},
            )
    engine.dispose()


def test_without_its_database_it_says_so_and_recovers_by_itself(world: World, lone: Shards) -> None:
    before, unknown, harmed = paid(world), threading.Event(), threading.Event()
    lone.start()
    agents = [receiver(400 + number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(persist, lone, world, agent, 80, unknown=unknown, harmed=harmed) for agent in agents]
        wait_for(lambda: lone.health(0).get("accepted", 0) > 20, "payments are taken")
        shut(world, closed=True)
        try:
            wait_for(lambda: lone.health(0).get("status") == "unavailable", "the shard says that it cannot write")
            refused = lone.send(voucher(world, receiver(450), 5))
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "1"
            wait_for(unknown.is_set, "somebody was not answered")
        finally:
            harmed.set()
            shut(world, closed=False)
        opened = time.monotonic()
        lone.wait(0)
        assert time.monotonic() - opened < 5
        total = sum(done.result() for done in work)
    assert unknown.is_set()
    assert paid(world) == before + total


def test_more_than_it_can_take_is_refused_at_once_and_memory_stays(world: World, lone: Shards) -> None:
    before = paid(world)
    lone.start()
    batches = [[voucher(world, receiver(500 + number), ceiling) for ceiling in range(1, 801)] for number in range(12)]
    memory = psutil.Process(lone.processes[0].pid).memory_info().rss
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lone.batch, batches))
    refused = [answer for answer in answers if answer.status_code == 503]
    taken = [answer for answer in answers if answer.status_code == 200]
    assert refused
    assert taken
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    results = [entry for answer in taken for entry in answer.json()["results"]]
    assert {entry.get("code") or entry["price_units"] for entry in results} == {"1"}, results[-1]
    assert paid(world) == before + len(results)
    assert psutil.Process(lone.processes[0].pid).memory_info().rss - memory < 64 << 20


def test_told_to_stop_it_finishes_what_it_has_taken(world: World, lone: Shards) -> None:
    before = paid(world)
    lone.start()
    bodies = [[voucher(world, receiver(600 + number), step) for step in range(1, 301)] for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(lone.batch, body) for body in bodies]
        wait_for(lambda: lone.health(0).get("accepted", 0) > 0 or all(w.done() for w in work), "some are taken")
        os.kill(lone.processes[0].pid, signal.SIGTERM)
        stored = 0
        for done in work:
            try:
                answer = done.result()
            except httpx.TransportError:
                continue  # it was refused before it was read
            if answer.status_code == 200:
                stored += sum("price_units" in entry for entry in answer.json()["results"])
    assert lone.processes[0].wait(15) == 0
    assert paid(world) == before + stored
