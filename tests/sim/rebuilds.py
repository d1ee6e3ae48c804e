"""Scenarios of a mirror built anew beside the one in use, while a reader looks at every moment."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sqlalchemy import text

from indexer import failpoints
from indexer.rebuild import Outcome, Rebuild
from indexer.store import schema
from indexer.store.digest import state_digest
from tests.sim import scenarios
from tests.sim.check import Wrong
from tests.sim.db import Crash
from tests.sim.machine import REDUCER, Machine
from tests.sim.scene import Scene


class _Reader:
    """Somebody who reads the published views: they must be, whole, what the oracle has seen at the chain's head."""

    def __init__(self, scene: Scene) -> None:
        self.looks = 0
        self.away = False
        self._scene = scene
        self._known: dict[bytes, str] = {}

    def learn(self, *, checked: bool = True) -> None:
        """Remember what the mirror says at this block, once the oracle agrees."""
        if checked:
            self._scene.check()
        with self._scene.sandbox.engine.connect() as connection:
            self._known[self._scene.chain.head.hash] = state_digest(connection, schema.PHYSICAL)

    def look(self) -> None:
        """Raise Wrong unless the views show the mirror of the chain's head, whole."""
        if self.away:
            return
        self.looks += 1
        head = self._scene.chain.head
        engine = self._scene.sandbox.engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection, connection.begin():
            at = connection.execute(text(f"SELECT number, hash FROM {schema.SCHEMA}.cursor")).one_or_none()
            if at is None or bytes(at.hash) != head.hash:
                raise Wrong(f"readers see {at and at.number}, not {head.number}")
            if state_digest(connection, schema.SCHEMA) != self._known[head.hash]:
                raise Wrong(f"readers do not see the whole of block {head.number}")


class _Watched(Rebuild):
    """A rebuild that lets something happen after both mirrors were compared."""

    before_swap: Callable[[], None] = scenarios.nothing

    def _swap(self, *arguments: object) -> list[str]:
        self.before_swap()
        return super()._swap(*arguments)  # type: ignore[arg-type]


def _filled(scene: Scene) -> tuple[Machine, _Reader]:
    for _ in range(10):
        scene.busy()
    scene.chain.finalise(7, 6)
    machine, reader = scene.machine(), _Reader(scene)
    scene.arrive(machine)
    reader.learn()
    return machine, reader


def _rebuild(
    scene: Scene, reader: _Reader, *, before_swap: Callable[[], None] = scenarios.nothing, dies_at: int = 0
) -> Outcome:
    """Build anew over a connection of its own; the reader looks at every fail point.

    With `dies_at` the process dies before that statement of the swap itself.
    """
    database = scene.sandbox.free()
    database.take(Random(1), scene.counts)
    statements = 0

    def count() -> None:
        nonlocal statements
        statements += 1
        if statements == dies_at:
            raise Crash

    def passed(name: failpoints.Name) -> None:
        reader.look()
        if name == "before_swap":
            database.before = count

    scene.sandbox.rebuilt = True
    work = _Watched(database.engine, REDUCER, None, lambda _number, _last: None)
    work.before_swap = before_swap
    failpoints.install_hook(passed)
    try:
        return work.run(accept=False, keep_old=False, wait_seconds=0.0)
    finally:
        failpoints.install_hook(None)
        database.before = scenarios.nothing
        database.close()


def built_while_it_runs(scene: Scene) -> None:
    """I18: events and a reorg come between the comparison and the swap; then the running indexer must lose."""
    machine, reader = _filled(scene)

    def move_on() -> None:
        reader.away = True
        scene.branch(2, 3)
        scene.busy()
        scene.arrive(machine)
        reader.away = False
        reader.learn()

    outcome = _rebuild(scene, reader, before_swap=move_on)
    assert (outcome.swapped, outcome.agree) == (True, True)
    assert reader.looks > 5
    reader.look()
    scene.busy()
    scenarios.loses(machine)
    scene.stop(machine)
    scene.arrive(scene.machine())


def differs(scene: Scene) -> None:
    """I18: a raw log was lost, so what is built from them is wrong; it must not be shown."""
    machine, reader = _filled(scene)
    scene.chain.finalise(scene.chain.head.number, scene.chain.head.number)
    scene.arrive(machine)
    table = f"{schema.PHYSICAL}.log"
    last = f"(SELECT block_number, log_index FROM {table} ORDER BY block_number DESC, log_index DESC LIMIT 1)"
    with scene.sandbox.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {table} WHERE (block_number, log_index) = {last}"))
    reader.learn(checked=False)
    outcome = _rebuild(scene, reader)
    reader.look()
    assert outcome.differing
    assert not outcome.swapped


def killed_in_the_swap(scene: Scene) -> None:
    """I18: the rebuild dies at statements of the swap; readers and a new indexer go on, and the next one ends well."""
    machine, reader = _filled(scene)
    for at in (4, 10):
        try:
            _rebuild(scene, reader, dies_at=at)
        except Crash:
            reader.look()
        else:
            raise Wrong("it has not died")
        scene.stop(machine)
        scene.busy()
        machine = scene.machine()
        scene.arrive(machine)
        reader.learn()
        reader.look()
    assert _rebuild(scene, reader).swapped
    reader.look()
