"""T7: the node's process ends and another one takes its place: the chain is there, what waited in its pool is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from aicp.abi import usdc
from backend.txm import service as txm
from backend.txm import sweep
from tests.fixtures.gate import Gate
from tests.fixtures.moneylab import World, stranger
from tests.fixtures.services import Anvil, create_database, start_anvil

COUNT = 3


@dataclass(slots=True)
class Place:
    """A node behind a gate, and the world that knows only the gate."""

    gate: Gate
    chain: Anvil
    world: World

    def restart(self) -> None:
        """End the node's process and start another one on what it had stored of the chain."""
        stored = self.chain.rpc("anvil_dumpState")
        self.gate.shut()
        self.chain.process.terminate()
        self.chain.process.wait(10)
        with pytest.raises(httpx.TransportError):
            self.chain.rpc("eth_chainId")
        sweep.sweep(self.world.machine)  # nothing fails for want of a node
        self.chain = start_anvil()
        self.chain.rpc("anvil_loadState", stored)
        self.chain.rpc("evm_setAutomine", False)
        self.gate.target = httpx.URL(self.chain.url).port or 0
        self.gate.open()


@pytest.fixture
def place(postgres: URL, tmp_path: Path) -> Iterator[Place]:
    chain = start_anvil()
    gate = Gate(target=httpx.URL(chain.url).port or 0)
    gate.open()
    world = World(replace(chain, url=gate.url), create_database(postgres), tmp_path)
    made = Place(gate, chain, world)
    yield made
    world.close()
    gate.shut()
    made.chain.close()


def test_a_node_that_starts_anew_is_sent_what_its_pool_has_lost(place: Place) -> None:
    world, target = place.world, stranger().address
    world.turn(rounds=1)
    [key, *_] = world.machine.keys.addresses
    before = world.machine.rpc.nonce(key)
    world.chain.rpc("evm_setAutomine", False)
    for number in range(COUNT):
        world.write(
            lambda s, number=number: txm.enqueue(
                s, world.ctx, idem_key=f"restart:{number}", kind="faucet", on_behalf_of=target,
                to=world.ctx.deployment.usdc, data=usdc.encode_faucet(target, 1), expires_at=None, reference={},
                account=key, gas_limit=100_000,
            )
        )  # fmt: skip
    sweep.sweep(world.machine)
    assert int(world.chain.rpc("txpool_status")["pending"], 16) == COUNT

    place.restart()
    assert int(place.chain.rpc("txpool_status")["pending"], 16) == 0
    assert world.machine.rpc.nonce(key) == before, "the chain is the one it was"
    world.clock.added += 60
    sweep.sweep(world.machine)
    assert int(place.chain.rpc("txpool_status")["pending"], 16) == COUNT
    place.chain.mine(4)
    sweep.sweep(world.machine)
    assert world.sql("SELECT DISTINCT state FROM txm.intent WHERE idem_key LIKE 'restart:%'") == [("final",)]
    assert world.usdc_of(target) == COUNT, "each happened once"
    assert world.machine.rpc.nonce(key) == before + COUNT
