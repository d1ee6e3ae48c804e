"""Scenarios of much at once: what is held and what is asked is counted, never timed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import httpx

from tests.sim.chain import Emitted, Mined, Transaction, make_block
from tests.sim.check import Wrong
from tests.sim.events import Event, encode
from tests.sim.faults import Faulty
from tests.sim.machine import Machine
from tests.sim.scene import Scene
from tests.sim.turn import CONTRACTS

LATENCY = 0.5
"""Seconds of the story's clock between a question and its answer."""


class Counting(httpx.BaseTransport):
    """A far node: counts what it is asked and the logs it has told of ranges that are not stored yet."""

    def __init__(self, scene: Scene) -> None:
        self.requests = 0
        self.held = 0
        self._scene = scene
        self._logs = list(accumulate(len(block.logs) for block in scene.chain.path))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a while."""
        self.requests += 1
        self._scene.clock.sleep(LATENCY)
        response = self._scene.node.handle_request(request)
        lasts = [
            int(call["params"][0]["toBlock"], 16)
            for call, answer in zip(Faulty.calls_of(request), response.json(), strict=True)
            if call["method"] == "eth_getLogs" and "toBlock" in call["params"][0] and "result" in answer
        ]
        for last in lasts:
            stored = self._scene.value("number", "cursor")
            assert isinstance(stored, int)
            self.held = max(self.held, self._logs[last] - self._logs[stored])
        return response


def _mine(scene: Scene, blocks: int, logs: int) -> None:
    """Mine blocks that each hold so many times the same small event, and make them final."""
    topics, data = encode(Event("escrow", "FeeChanged", {"feeBps": 300}))
    one = Emitted(CONTRACTS.escrow, topics, data)
    head = scene.chain.head
    for number in range(blocks):
        emitted = () if not logs else (Transaction(0, number.to_bytes(32, "big"), (one,) * logs),)
        state = {**head.state, ("config",): {**head.state["config",], "fee_bps": 300}}
        head = _keep(scene, make_block(head, head.time + 2, emitted, state, b"large"))
    scene.world.follow(head)
    scene.chain.finalise(head.number, head.number)


def _keep(scene: Scene, block: Mined) -> Mined:
    scene.chain.add(block)
    return block


def _arrive(scene: Scene, start: Callable[[], Machine], *, requests: int, held: int) -> None:
    node = Counting(scene)
    scene.faulty.node = node
    scene.arrive(start(), rounds=20)
    if node.requests > requests:
        raise Wrong(f"{node.requests} requests, {requests} are enough")
    if node.held > held:
        raise Wrong(f"{node.held} logs held at once, {held} are enough")


def heavy_block(scene: Scene) -> None:
    """I19: 20,000 logs in one block, of a node that answers at most 10,000 at once; then what is usual."""
    _mine(scene, 3, 1)
    _mine(scene, 1, 20_000)
    _mine(scene, 3, 1)
    _arrive(scene, lambda: scene.machine(range_blocks=7), requests=40, held=20_050)


def heavy_range(scene: Scene) -> None:
    """I19: many blocks with many logs each: a range is as long as its logs allow, not as the node does."""
    _mine(scene, 150, 30)
    _arrive(scene, lambda: scene.machine(range_blocks=100, range_logs=300), requests=120, held=2_000)


def far_behind(scene: Scene) -> None:
    """I19: 10,000 blocks behind a far node: headers come in batches, ranges grow."""
    _mine(scene, 9_997, 0)
    scene.busy()
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
    _arrive(scene, lambda: scene.machine(range_blocks=2_000), requests=130, held=50)
