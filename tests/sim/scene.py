"""A small stage for one scripted scenario: a world, its node, a mirror, and indexers driven by hand."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import httpx

from indexer.store.schema import PHYSICAL
from tests.sim.chain import Chain, Mined
from tests.sim.check import Wrong, check, settled
from tests.sim.clock import Clock
from tests.sim.faults import Faulty
from tests.sim.machine import Machine
from tests.sim.node import SimNode
from tests.sim.sandbox import Sandbox
from tests.sim.turn import CHAIN_ID, CONTRACTS
from tests.sim.world import World


class Scene:
    """See the module's docstring. No fault happens unless the scenario makes it."""

    def __init__(self, sandbox: Sandbox, clock: Clock, *, seed: int = 4) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.counts: Counter[str] = Counter()
        self.world = World(Random(seed))
        self.machines: list[Machine] = []
        self.node = SimNode(self.chain, CONTRACTS.addresses, chain_id=CHAIN_ID)
        self.faulty = Faulty(self.node, Random(seed), (), 1.0, counts=self.counts)

    @property
    def chain(self) -> Chain:
        """The chain the node follows."""
        return self.world.chain

    def mine(self, blocks: int, *, most: int = 5) -> Mined:
        """Mine on the chain."""
        for _ in range(blocks):
            self.world.follow(self.world.mine(most=most))
        return self.chain.head

    def busy(self, parent: Mined | None = None) -> Mined:
        """Mine a block on `parent` that certainly holds events, and let the chain follow it."""
        block = self.world.mine(parent, most=5)
        while len(block.logs) < 2:
            block = self.world.mine(parent, most=5)
        self.world.follow(block)
        return block

    def branch(self, depth: int, blocks: int, *, most: int = 5) -> Mined:
        """Leave the chain so many blocks below its head, and follow a new branch of so many blocks."""
        head = self.chain.path[self.chain.head.number - depth]
        for _ in range(blocks):
            head = self.world.mine(head, most=most)
        self.world.follow(head)
        return head

    def machine(self, *others: httpx.BaseTransport, range_blocks: int = 7, **options: Any) -> Machine:
        """Start an indexer; `others` are further nodes it may ask, `options` those of `Machine`."""
        database = self.sandbox.free()
        database.take(Random(1), self.counts)
        machine = Machine(database, [self.faulty, *others], self.clock, range_blocks, **options)
        self.machines.append(machine)
        return machine

    def stop(self, machine: Machine) -> None:
        """Let an indexer's process end."""
        machine.database.close()
        self.machines.remove(machine)

    def arrive(self, machine: Machine, rounds: int = 60) -> None:
        """Let an indexer run until the mirror stands where the chain stands, and compare every row. Raises Wrong."""
        for _ in range(rounds):
            machine.run(1)
            if settled(self.sandbox.engine, self.chain) is None:
                self.check()
                return
        raise Wrong(f"does not arrive: {settled(self.sandbox.engine, self.chain)}")

    def check(self) -> None:
        """Compare every row with the oracle. Raises Wrong."""
        check(self.sandbox.engine, self.chain)

    def value(self, column: str, table: str) -> object:
        """Return one value of a table of one row."""
        with self.sandbox.engine.connect() as connection:
            return connection.exec_driver_sql(f"SELECT {column} FROM {PHYSICAL}.{table}").scalar_one_or_none()

    def close(self) -> None:
        """End every indexer."""
        for machine in list(self.machines):
            self.stop(machine)
