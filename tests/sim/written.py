"""Scenarios of the write that goes on while the next range is read: nothing is believed that was never committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx

from indexer import failpoints
from indexer.background import Deferred
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog
from indexer.core.reducer import Decoded
from indexer.core.rows import names_of
from indexer.store.store import Store
from tests.sim.chain import Mined
from tests.sim.check import Wrong
from tests.sim.faults import Faulty
from tests.sim.machine import REDUCER, Machine
from tests.sim.scene import Scene
from tests.sim.turn import CONTRACTS

BLOCKS = 24
RANGE = 7


class Refusing(httpx.BaseTransport):
    """A node that answers nothing about the logs of one block: by no answer at all, or because there are too many."""

    def __init__(self, node: httpx.BaseTransport, block: Mined, *, too_many: bool) -> None:
        self.node = node
        self.open = True
        self._number = block.number
        self._hash = "0x" + block.hash.hex()
        self._too_many = too_many

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, but never about that block's logs."""
        calls = Faulty.calls_of(request)
        if not (self.open and any(self._about(call) for call in calls)):
            return self.node.handle_request(request)
        if not self._too_many:
            raise httpx.ReadTimeout("the disk is broken there", request=request)
        error = {"code": -32005, "message": "too many results"}
        answers = json.loads(self.node.handle_request(request).read())
        refused = [
            {"jsonrpc": "2.0", "id": call["id"], "error": error} if self._about(call) else answer
            for call, answer in zip(calls, answers, strict=True)
        ]
        return httpx.Response(200, json=refused)

    def _about(self, call: dict[str, object]) -> bool:
        if call["method"] not in {"eth_getLogs", "eth_getBlockReceipts"}:
            return False
        [asked] = call["params"]  # type: ignore[misc]
        if isinstance(asked, str):
            return bool(asked == self._hash)
        if "blockHash" in asked:
            return bool(asked["blockHash"] == self._hash)
        return int(asked["fromBlock"], 16) <= self._number <= int(asked["toBlock"], 16)


@contextmanager
def broken_once(machine: Machine, at: int | None = None) -> Iterator[Callable[[], bool]]:
    """Break the connection of the first write before its COMMIT, or of the one that ends at block `at`.

    Yields whether that has happened.
    """
    done = False

    def lose(name: failpoints.Name) -> None:
        nonlocal done
        position = machine.runner.position
        here = at is None or (position is not None and position.view.head.number == at)
        if name == "before_commit" and here and not done:
            done = True
            machine.database.lose()

    failpoints.install_hook(lose)
    try:
        yield lambda: done
    finally:
        failpoints.install_hook(None)


def long_history(scene: Scene) -> None:
    """Finalised blocks for several ranges, each with events."""
    for _ in range(BLOCKS):
        scene.busy()
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)


def begun_and_trouble(scene: Scene) -> None:
    """I14: a range's write fails, and so does reading the next one: the position is the one that is stored."""
    long_history(scene)
    refusing = Refusing(scene.node, scene.chain.path[2 * RANGE], too_many=False)
    scene.faulty.node = refusing
    machine = scene.machine(range_blocks=RANGE)
    with broken_once(machine) as happened:
        for _ in range(3):
            machine.run(1)
            position = machine.runner.position
            stored = scene.value("number", "cursor")
            if position is not None and position.view.head.number != stored:
                raise Wrong(f"believed to stand at block {position.view.head.number}, stored is {stored}")
            scene.check()
        assert position is not None
        assert happened(), "no write broke"
    refusing.open = False
    scene.arrive(machine)


def range_after_range(scene: Scene) -> None:
    """I14: several ranges one after the other, each begun while the one before is on its way."""
    long_history(scene)
    scene.arrive(scene.machine(range_blocks=RANGE))


def reload_while_writing(scene: Scene) -> None:
    """I14: where the mirror stands is asked while a range is on its way; the answer must stay true."""
    long_history(scene)
    database = scene.sandbox.free()
    store = Store(database.engine, REDUCER, start=Deferred)
    position = store.take_over(_block(scene.chain.genesis))
    store.begin_range(position, _block(scene.chain.path[RANGE]), _decoded(scene.chain.path[: RANGE + 1]))
    told = store.reload(position.epoch)
    after = told.view.head.number + 1
    found = _decoded(scene.chain.path[after:])
    store.append_range(told, _block(scene.chain.head), found)
    scene.check()
    assert scene.value("number", "cursor") == scene.chain.head.number


def hole_after_begun(scene: Scene) -> None:
    """I16: a block is refused while the range before it is on its way, and that range's write fails."""
    long_history(scene)
    refusing = Refusing(scene.node, scene.chain.path[RANGE + 1], too_many=True)
    scene.faulty.node = refusing
    machine = scene.machine(range_blocks=RANGE)
    with broken_once(machine, at=RANGE) as happened:
        for _ in range(30):
            machine.run(1)
            scene.clock.sleep(5)
            scene.check()
        assert happened(), "no write broke"
    assert scene.value("number", "cursor") == RANGE
    refusing.open = False
    scene.arrive(machine)


def _block(block: Mined) -> Block:
    return Block(block.number, block.hash, block.parent_hash, block.time)


def _decoded(blocks: Sequence[Mined]) -> list[Decoded]:
    names = names_of(RawLog)
    ours = [log for block in blocks for log in block.logs if log.address in CONTRACTS.addresses]
    return list(REDUCER.decode([RawLog(**{name: getattr(log, name) for name in names}) for log in ours]))
