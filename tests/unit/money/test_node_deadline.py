"""A node has one deadline for its whole answer, however busily it keeps the line."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from backend import nodes
from backend.txm.nodes import Node, NodeUnreachable

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 35\r\n\r\n"
    b'{"jsonrpc":"2.0","id":1,"result":1}'
)
HEAD = ANSWER.index(b"{")
QUESTION = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
SECONDS = 0.4


class Dripping:
    """A server that sends so many bytes at once and the others one by one, each within any time a read may take."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with line:
            try:
                while line.recv(65_536):
                    line.sendall(ANSWER[: self.at_once])
                    for at in range(self.at_once, len(ANSWER)):
                        time.sleep(SECONDS / 4)
                        line.sendall(ANSWER[at : at + 1])
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(params=[0, HEAD], ids=["its headers", "its body"])
def dripping(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    made = Dripping(request.param)
    yield made
    made.close()


def test_a_node_that_drips_is_left(dripping: Dripping) -> None:
    node, began = Node(dripping.url, SECONDS), time.monotonic()
    with pytest.raises(NodeUnreachable, match="Timeout"):
        node.post(QUESTION)
    assert time.monotonic() - began < 3 * SECONDS
    dripping.at_once = len(ANSWER)
    for _ in range(2):
        assert node.post(QUESTION)["result"] == 1, "the next question has a time of its own"
        time.sleep(SECONDS)
    node.close()


def test_less_time_than_usual_is_kept_to_as_well(dripping: Dripping) -> None:
    node, began = Node(dripping.url, 60.0), time.monotonic()
    with pytest.raises(NodeUnreachable, match="Timeout"):
        node.post(QUESTION, SECONDS)
    assert time.monotonic() - began < 3 * SECONDS
    node.close()


def test_the_api_leaves_it_too(dripping: Dripping) -> None:
    async def ask() -> None:
        try:
            await nodes.post(dripping.url, [QUESTION], SECONDS)
        finally:
            await nodes.close()

    began = time.monotonic()
    with pytest.raises(nodes.NO_ANSWER):
        asyncio.run(ask())
    assert time.monotonic() - began < 3 * SECONDS
