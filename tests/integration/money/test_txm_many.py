"""Many intents asked for at once on one key: each nonce once and none left out, whatever the workers do at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pydantic import SecretStr

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.txm import service as txm
from backend.txm import sweep
from backend.txm.machine import Machine
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger

MOST_CONNECTIONS = 80


@pytest.fixture
def crew(world: World) -> Iterator[Callable[[int], list[Machine]]]:
    """Makes workers that share one key, which has never sent anything, and one pool of connections."""
    key = secrets.token_bytes(32)
    world.chain.rpc("anvil_setBalance", hex0x(address_of(key)), hex(10**21))
    shared = SyncDatabase(make_sync_engine(world.database_url, pool_size=MOST_CONNECTIONS))
    made: list[Machine] = []

    def hire(count: int) -> list[Machine]:
        for _ in range(count):
            machine = world.new_machine(relayer_keys=[SecretStr(hex0x(key))])
            machine.db.close()
            made.append(replace(machine, db=shared))
        return made

    yield hire
    for machine in made:
        close_machine(machine)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("count", "hired"), [(100, 2), pytest.param(1_000, 50, marks=pytest.mark.long, id="a thousand and fifty")]
)
def test_many_intents_at_once_take_each_nonce_once(
    world: World, crew: Callable[[int], list[Machine]], count: int, hired: int
) -> None:
    workers = crew(hired)
    [key] = workers[0].keys.addresses
    target = stranger().address
    before = world.usdc_of(target)

    def ask(number: int) -> None:
        machine = workers[number % hired]
        machine.db.write(
            lambda s: txm.enqueue(
                s, world.ctx, idem_key=f"many:{count}:{number}", kind="faucet", on_behalf_of=target,
                to=world.ctx.deployment.usdc, data=usdc.encode_faucet(target, 1), expires_at=None, reference={},
                gas_limit=100_000,
            )
        )  # fmt: skip

    with ThreadPoolExecutor(max(6, hired)) as pool:
        list(pool.map(ask, range(count)))

    def work(machine: Machine) -> None:
        while world.one("SELECT count(*) FROM txm.intent WHERE state = 'queued'"):
            sweep.sweep(machine)

    with ThreadPoolExecutor(hired) as pool:
        list(pool.map(work, workers))
    world.chain.mine(3)
    sweep.sweep(workers[0])
    nonces = [row[0] for row in world.sql("SELECT nonce FROM txm.tx WHERE account = :a ORDER BY nonce", a=key)]
    assert nonces == list(range(count))
    ours = "SELECT state, count(*) FROM txm.intent WHERE idem_key LIKE :ours GROUP BY state"
    assert world.sql(ours, ours=f"many:{count}:%") == [("final", count)]
    assert world.usdc_of(target) - before == count, "each was mined once"
    assert workers[0].rpc.nonce(key) == count
