"""The bell that rings when a node announces a block."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from indexer.chain.heads import NewHeads


class Announcer:
    """A websocket server that takes a subscription, or refuses it, and announces blocks when told."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        self.asked = threading.Semaphore(0)
        self.announce = threading.Semaphore(0)
        self.closed = threading.Event()
        self.server: Server = serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def _serve(self, connection: ServerConnection) -> None:
        assert json.loads(connection.recv())["params"] == ["newHeads"]
        connection.send(json.dumps({"id": 1, "error": "no"} if self.refuses else {"id": 1, "result": "0x1"}))
        self.asked.release()
        while not self.refuses and not self.closed.is_set():
            if self.announce.acquire(timeout=0.05):
                connection.send(json.dumps({"method": "eth_subscription", "params": {}}))


@pytest.fixture
def announcers() -> Iterator[list[Announcer]]:
    made: list[Announcer] = []
    yield made
    for announcer in made:
        announcer.closed.set()
        announcer.server.shutdown()


def test_a_block_that_is_announced_ends_the_wait(announcers: list[Announcer]) -> None:
    announcers.append(announcer := Announcer(refuses=False))
    heads = NewHeads(announcer.url)
    assert announcer.asked.acquire(timeout=20)
    stop = threading.Event()
    announcer.announce.release()
    assert heads._rung.wait(20)
    assert not heads.wait(stop, 3_600.0)
    stop.set()
    assert heads.wait(stop, 3_600.0)
    heads.close()


def test_without_a_subscription_the_wait_is_as_long_as_asked(announcers: list[Announcer]) -> None:
    announcers.append(announcer := Announcer(refuses=True))
    heads = NewHeads(announcer.url)
    assert announcer.asked.acquire(timeout=20)
    assert not heads.wait(threading.Event(), 0.0)
    assert not heads._subscribed
    heads.close()
