"""One indexer as a process would run it: its own connections, node, store and runner; driven a few rounds at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from indexer.background import Deferred
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.reducer import Reducer
from indexer.runner import Options, Runner
from indexer.settings import deployment_digest
from indexer.store.store import Store
from tests.sim.clock import Baton, Clock
from tests.sim.db import FaultyDatabase
from tests.sim.turn import CHAIN_ID, CONTRACTS

REDUCER = Reducer(CONTRACTS)


@dataclass(slots=True)
class Machine:
    """See the module's docstring."""

    database: FaultyDatabase
    transports: Sequence[httpx.BaseTransport]
    clock: Clock
    range_blocks: int
    finality_depth: int = 64
    start_block: int = 1
    range_logs: int = 7_500
    whole_ranges: bool = True
    runner: Runner = field(init=False)
    _node: Node = field(init=False)

    def __post_init__(self) -> None:
        now = self.clock.monotonic
        providers = [Provider(f"http://node{at}", transport=one) for at, one in enumerate(self.transports)]
        pool = Providers(providers, clock=now)
        self._node = Node(
            pool,
            CONTRACTS.addresses,
            finality_depth=self.finality_depth,
            whole_ranges=self.whole_ranges,
            clock=now,
        )
        options = Options(
            chain_id=CHAIN_ID,
            start_block=self.start_block,
            deployment_digest=deployment_digest(CONTRACTS),
            poll_seconds=0.25,
            range_blocks=self.range_blocks,
            range_logs=self.range_logs,
            ahead=Deferred,
        )
        store = Store(self.database.engine, REDUCER, start=Deferred)
        self.runner = Runner(self._node, store, REDUCER, options, clock=now, wait=_wait)

    def run(self, rounds: int) -> None:
        """Let the loop go round so many times. Raises what the loop raises."""
        self.runner.run(Baton(self.clock, rounds))

    @property
    def epoch(self) -> int | None:
        """The epoch this process believes to be its own."""
        return None if self.runner.position is None else self.runner.position.epoch


def _wait(stop: threading.Event, seconds: float) -> bool:
    return stop.wait(seconds)
