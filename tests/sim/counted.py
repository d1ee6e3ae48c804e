"""Scenarios of blocks all of whose logs are ours: their numbers and one receipt must tell that none is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.sim.chain import Mined
from tests.sim.faults import Faulty
from tests.sim.scene import Scene
from tests.sim.turn import CONTRACTS

BLOCKS = 24
RANGE = 8

Logs = list[dict[str, Any]]


class Spoiling(httpx.BaseTransport):
    """A node that spoils the logs of one block when asked for a range, until it is healed."""

    def __init__(self, node: httpx.BaseTransport, block: Mined, spoil: Callable[[Logs], Logs]) -> None:
        self.node = node
        self.healed = False
        self.spoilt = 0
        self._number = hex(block.number)
        self._spoil = spoil

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        calls = Faulty.calls_of(request)
        answers = json.loads(self.node.handle_request(request).read())
        for call, answer in zip(calls, answers if isinstance(answers, list) else [answers], strict=True):
            if call["method"] == "eth_getLogs" and "fromBlock" in call["params"][0] and not self.healed:
                logs = answer["result"]
                at = [log["blockNumber"] for log in logs]
                if self._number in at:
                    first, end = at.index(self._number), at.index(self._number) + at.count(self._number)
                    answer["result"] = [*logs[:first], *self._spoil(logs[first:end]), *logs[end:]]
                    self.spoilt += 1
        return httpx.Response(200, json=answers)


def first_missing(scene: Scene) -> None:
    """I9: the first log of a block is missing in the answer to a range."""
    _spoilt(scene, lambda logs: logs[1:])


def last_missing(scene: Scene) -> None:
    """I9: the last log of a block is missing in the answer to a range."""
    _spoilt(scene, lambda logs: logs[:-1])


def _spoilt(scene: Scene, spoil: Callable[[Logs], Logs]) -> None:
    """A long history, of which the logs of one block come wrong for a while; every row must be right all the time."""
    for _ in range(BLOCKS):
        scene.busy()
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
    victim = next(block for block in scene.chain.path[BLOCKS // 2 :] if _only_ours(block))
    liar = Spoiling(scene.node, victim, spoil)
    scene.faulty.node = liar
    machine = scene.machine(range_blocks=RANGE)
    for _ in range(8):
        machine.run(1)
        scene.check()
    assert liar.spoilt, "nothing was spoilt"
    liar.healed = True
    scene.arrive(machine)


def _only_ours(block: Mined) -> bool:
    """Whether a block's logs are all ours, several, and end with its last transaction."""
    addresses = {log.address for log in block.logs}
    return len(block.logs) > 2 and addresses <= set(CONTRACTS.addresses) and len(block.transactions[-1].logs) > 0
