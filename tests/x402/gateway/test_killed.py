"""The gateway's process is killed in the middle of paid requests: nothing is lost and nothing is paid twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from backend.db.engine import plain_dsn
from backend.worker import sweeps
from backend.x402.reasons import Reason
from scripts.devnet.ports import free_port
from tests.fixtures.services import ROOT, wait_for
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import ENOUGH, PRICE, Lab, until
from tests.x402.gateway.test_money import charged, with_pool

PAYERS = 4
REQUESTS = 6
STARTING_SECONDS = 150.0


@dataclass(slots=True)
class Process:
    """One more process of the gateway, on the lab's database and chain and under its name."""

    lab: Lab
    port: int
    child: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def started(self) -> bool:
        assert self.child.poll() is None, "the process has ended"
        try:
            return httpx.get(f"{self.url}/api/v1/network", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(20)


def spawn(lab: Lab) -> Process:
    settings, folder, port = lab.ctx.settings, lab.world.folder, free_port()
    deployment = folder / "moved.json"
    deployment.write_text(json.dumps(lab.ctx.deployment.to_json()), encoding="utf-8")
    environment = {
        "AICP_DATABASE_URL": plain_dsn(settings.database_url), "AICP_REDIS_URL": "",
        "AICP_RPC_URLS": settings.rpc_urls[0], "AICP_CHAIN_ID": str(settings.chain_id),
        "AICP_DEPLOYMENT": str(deployment), "AICP_OPERATOR_KEY": settings.operator_key.get_secret_value(),
        "AICP_RELAYER_KEYS": ",".join(key.get_secret_value() for key in settings.relayer_keys),
        "AICP_PORT": str(port), "AICP_PUBLIC_URL": lab.url, "AICP_FILES_DIR": str(folder / "files"),
        "AICP_FRONTEND_DIST": str(folder / "dist"), "AICP_GATEWAY_LOCAL_UPSTREAMS": "true",
        "AICP_ANONYMOUS_READS_PER_MINUTE": str(ENOUGH), "AICP_GATEWAY_WAIT_SECONDS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "backend.api"]
    child = subprocess.Popen(command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL)
    return Process(lab, port, child)


@pytest.fixture
def gateways(lab: Lab) -> Iterator[list[Process]]:
    """Two that a test may kill."""
    made = [spawn(lab) for _ in range(2)]
    try:
        for process in made:
            wait_for(process.started, "the gateway answers", STARTING_SECONDS)
        yield made
    finally:
        for process in made:
            process.kill()


@dataclass(slots=True)
class Place:
    """Where requests go at the moment, and whether one was cut off."""

    base: str
    path: str
    cut: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self.base + self.path


def persist(hand: Hand, place: Place) -> dict[int, bytes]:
    """Buy one answer after the other, each asked for until it is there; return them by the voucher's ceiling."""
    answers: dict[int, bytes] = {}
    for number in range(1, REQUESTS + 1):
        ceiling = number * PRICE

        def bought(ceiling: int = ceiling) -> bool:
            try:
                answer = hand.pay(f"{place.url}?n={ceiling}", hand.voucher(ceiling))
            except httpx.TransportError:
                place.cut.set()
                return False
            if answer.status_code == 402:
                assert read(answer)["error"] == Reason.BUSY, read(answer)
                return False
            assert answer.status_code == 200, answer.text
            answers[ceiling] = answer.content
            return True

        wait_for(bought, f"request {number} is answered", 120)
    return answers


def give_up(lab: Lab) -> None:
    """Let the sweep end what nobody is going to answer any more."""
    lab.world.clock.added += 60
    sweeps.keep(lab.world.machine)
    lab.world.clock.added -= 60


@pytest.mark.timeout(420)
def test_killed_in_the_middle_of_paid_requests(lab: Lab, gateways: list[Process]) -> None:
    """One while agents are being asked, one at any moment; a third goes on, and answers given are the same for ever."""
    hands = [with_pool(lab) for _ in range(PAYERS)]
    place = Place(gateways[0].url, lab.endpoint("killed", "/slow").removeprefix(lab.url))
    lab.upstream.gate.clear()
    asked = len(lab.upstream.calls)
    with ThreadPoolExecutor(PAYERS) as pool:
        work = [pool.submit(persist, hand, place) for hand in hands]
        try:
            until(lambda: len(lab.upstream.calls) >= asked + PAYERS, "every agent's server is being asked", 60)
            assert [charged(lab, hand) for hand in hands] == [(0, PRICE)] * PAYERS
            for process, following in zip(gateways, (gateways[1].url, lab.url), strict=True):
                process.kill()
                lab.upstream.gate.set()
                give_up(lab)
                assert [charged(lab, hand)[1] for hand in hands] == [0] * PAYERS
                before = sum(charged(lab, hand)[0] for hand in hands)
                place.base = following
                until(partial(more_is_paid, lab, hands, before), "requests are paid again", 60)
        finally:
            lab.upstream.gate.set()
        answers = [done.result() for done in work]
    assert place.cut.is_set()
    for hand, told in zip(hands, answers, strict=True):
        assert charged(lab, hand) == (REQUESTS * PRICE, 0)
        for ceiling, content in told.items():
            again = hand.pay(f"{place.url}?n={ceiling}", hand.voucher(ceiling))
            assert (again.status_code, again.content) == (200, content)
        assert charged(lab, hand) == (REQUESTS * PRICE, 0)
    lab.balanced()


def more_is_paid(lab: Lab, hands: list[Hand], before: int) -> bool:
    return sum(charged(lab, hand)[0] for hand in hands) > before
