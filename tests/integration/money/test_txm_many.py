"""Many intents asked for at once on one key: each nonce once and none left out, whatever the workers do at once.

`AICP_INTENTS=1000` asks for a thousand, which takes about a minute; a hundred go through the same doors.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend.txm import service as txm
from backend.txm import sweep
from backend.txm.machine import Machine
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger

pytestmark = pytest.mark.services
COUNT = int(os.environ.get("AICP_INTENTS", "100"))
WORKERS = 2


@pytest.fixture
def workers(world: World) -> Iterator[list[Machine]]:
    """Workers that share one key, which has never sent anything."""
    key = secrets.token_bytes(32)
    world.chain.rpc("anvil_setBalance", hex0x(address_of(key)), hex(10**21))
    made = [world.new_machine(relayer_keys=[SecretStr(hex0x(key))]) for _ in range(WORKERS)]
    yield made
    for machine in made:
        close_machine(machine)


def test_many_intents_at_once_take_each_nonce_once(world: World, workers: list[Machine]) -> None:
    [key] = workers[0].keys.addresses
    target = stranger().address
    before = world.usdc_of(target)

    def ask(number: int) -> None:
        machine = workers[number % WORKERS]
        machine.db.write(
            lambda s: txm.enqueue(
                s, world.ctx, idem_key=f"many:{number}", kind="faucet", on_behalf_of=target,
                to=world.ctx.deployment.usdc, data=usdc.encode_faucet(target, 1), expires_at=None, reference={},
                gas_limit=100_000,
            )
        )  # fmt: skip

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(COUNT)))

    def work(machine: Machine) -> None:
        while world.one("SELECT count(*) FROM txm.intent WHERE state = 'queued'"):
            sweep.sweep(machine)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, workers))
    world.chain.mine(3)
    sweep.sweep(workers[0])
    nonces = [row[0] for row in world.sql("SELECT nonce FROM txm.tx WHERE account = :a ORDER BY nonce", a=key)]
    assert nonces == list(range(COUNT))
    assert world.sql("SELECT state, count(*) FROM txm.intent WHERE idem_key LIKE 'many:%' GROUP BY state") == [
        ("final", COUNT)
    ]
    assert world.usdc_of(target) - before == COUNT, "each was mined once"
    assert workers[0].rpc.nonce(key) == COUNT
