"""Nodes that lag and tables that are long: no healthy key is given up, no finding outlives its time, no row starves."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import pytest
from pydantic import SecretStr

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend.txm import broadcast, confirm, heal, prepare, replace, sweep
from backend.txm import service as txm
from backend.txm.machine import BATCH, Machine
from backend.txm.models import Intent
from backend.txm.rpc import Node, Rpc
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger


def ask(world: World, key: str, account: bytes | None = None) -> Intent:
    target = stranger().address
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=target, to=world.ctx.deployment.usdc,
            data=usdc.encode_faucet(target, 1), expires_at=None, reference={}, account=account,
        )
    )  # fmt: skip


def quarantined(world: World) -> list[Any]:
    return world.sql("SELECT address FROM txm.account WHERE quarantined_reason IS NOT NULL")


def state_of(world: World, intent: Intent) -> str:
    return str(world.one("SELECT state FROM txm.tx WHERE intent_id = :id ORDER BY nonce DESC", id=intent.id))


class Lagging(Node):
    """A node some blocks behind: what it cannot know yet, it does not know."""

    behind = 40

    def post(self, body: Any) -> Any:
        if isinstance(body, list):
            return [self.post(one) for one in body]
        real = Node.post(self, body)
        method, params = body["method"], body["params"]
        if method == "eth_getTransactionReceipt":
            return {**real, "result": None}
        if method == "eth_getTransactionCount" and params[1] == "latest":
            return {**real, "result": "0x0"}
        return real


@pytest.fixture
def newcomer(world: World):
    """A machine of a key that has sent five transactions elsewhere, with a good node and one that lags."""
    key = secrets.token_bytes(32)
    address = address_of(key)
    world.chain.rpc("anvil_setBalance", hex0x(address), hex(10**19))
    world.chain.rpc("anvil_setNonce", hex0x(address), hex(5))
    world.chain.mine(3)
    machine = world.new_machine(relayer_keys=[SecretStr(hex0x(key))])
    lag(machine)
    yield machine
    close_machine(machine)


def lag(machine: Machine) -> None:
    url = machine.rpc.urls[0]
    machine.rpc._nodes.insert(0, Lagging(url, 10.0))


def test_a_node_that_lags_behind_the_receipts_gives_up_no_key(world: World) -> None:
    intent = ask(world, "lag:receipts")
    prepare.prepare(world.machine)
    broadcast.broadcast(world.machine)
    world.chain.mine(4)
    machine = world.new_machine()
    lag(machine)
    for _ in range(3):
        assert heal.find_foreign_use(machine) == 0
    close_machine(machine)
    assert quarantined(world) == []
    assert state_of(world, intent) == "accepted"
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_nonce_no_node_can_place_gives_up_no_key(world: World, monkeypatch) -> None:
    intent = ask(world, "lag:no state")
    prepare.prepare(world.machine)
    account = bytes(world.one("SELECT account FROM txm.tx WHERE intent_id = :id", id=intent.id))
    real = Rpc.nonce_at
    highest = world.machine.rpc.finalized_number()

    def nonce_at(rpc: Rpc, who: bytes, number: int) -> int | None:
        """Count one too many at the newest final block, and keep no older state."""
        if number != highest:
            return None
        count = real(rpc, who, number)
        return count if count is None or who != account else count + 1

    monkeypatch.setattr(Rpc, "nonce_at", nonce_at)
    assert heal.find_foreign_use(world.machine) == 0
    assert quarantined(world) == []
    monkeypatch.undo()
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_key_is_registered_at_the_count_of_the_node_that_knows_most(world: World, newcomer: Machine) -> None:
    heal.register_keys(newcomer)
    [address] = newcomer.keys.addresses
    assert world.one("SELECT next_nonce FROM txm.account WHERE address = :a", a=address) == 5


def test_a_low_count_of_a_node_that_lags_fills_no_nonce_from_before_our_time(world: World, newcomer: Machine) -> None:
    heal.register_keys(newcomer)
    [address] = newcomer.keys.addresses
    intent = ask(world, f"lag:{address.hex()}", account=address)
    assert prepare.prepare(newcomer) == 1
    assert newcomer.rpc.nonce(address) == 0, "the first node asked lags"
    assert heal.fill_holes(newcomer) == 0
    broadcast.broadcast(newcomer)
    world.chain.mine(4)
    for _ in range(2):
        assert heal.find_foreign_use(newcomer) == 0
    assert quarantined(world) == []
    newcomer.rpc._nodes.pop(0)
    confirm.confirm(newcomer)
    assert world.intent_state(intent.id) == "final"


def test_a_finding_that_is_older_than_the_row_changes_nothing(world: World) -> None:
    intent = ask(world, "stale")
    sweep.sweep(world.machine)
    tx_id: uuid.UUID = world.one("SELECT id FROM txm.tx WHERE intent_id = :id", id=intent.id)
    block = bytes(world.one("SELECT block_hash FROM txm.tx WHERE id = :id", id=tx_id))
    world.chain.mine(4)
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "final"
    gone = {tx_id: confirm.Finding(block, None, final=False)}
    assert not world.write(lambda s: confirm.apply(s, machine=world.machine, findings=gone))
    assert (state_of(world, intent), world.intent_state(intent.id)) == ("final", "final")


def test_a_finding_about_another_block_changes_nothing(world: World) -> None:
    intent = ask(world, "moved")
    sweep.sweep(world.machine)
    tx_id: uuid.UUID = world.one("SELECT id FROM txm.tx WHERE intent_id = :id", id=intent.id)
    elsewhere = {tx_id: confirm.Finding(bytes(32), None, final=False)}
    assert not world.write(lambda s: confirm.apply(s, machine=world.machine, findings=elsewhere))
    assert (state_of(world, intent), world.intent_state(intent.id)) == ("mined", "mined")
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_rows_past_a_batch_are_confirmed_while_nothing_gets_final(world: World, monkeypatch) -> None:
    monkeypatch.setattr(confirm, "BATCH", 5)
    finalized = world.machine.rpc.finalized_number()
    monkeypatch.setattr(Rpc, "finalized_number", lambda rpc: finalized)
    intents = [ask(world, f"crowd:{n}") for n in range(14)]
    for _ in range(3):
        sweep.sweep(world.machine)
    assert {world.intent_state(intent.id) for intent in intents} == {"mined"}
    late = ask(world, "crowd:late")
    sweep.sweep(world.machine)
    assert world.intent_state(late.id) == "mined"
    monkeypatch.setattr(Rpc, "finalized_number", lambda rpc: 10**9)
    confirm.confirm(world.machine)
    states = {world.intent_state(intent.id) for intent in [*intents, late]}
    assert states == {"final"}, "one round looks at every page"


@pytest.fixture
def crowded(world: World):
    """The first key with more mined transactions waiting for finality than a batch holds, all below its next nonce."""
    address = world.machine.keys.addresses[0]
    world.turn()
    first = int(world.one("SELECT next_nonce FROM txm.account WHERE address = :a", a=address))
    count = BATCH + 50
    world.sql(
        "INSERT INTO txm.tx (id, chain_id, account, nonce, state, block_number, block_hash, mined_hash) "
        "SELECT gen_random_uuid(), :chain, :a, n, 'mined', 1, :h, :h "
        "FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) n",
        chain=world.machine.keys.chain_id, a=address, h=bytes(32), low=first, high=first + count - 1,
    )  # fmt: skip
    world.sql("UPDATE txm.account SET next_nonce = next_nonce + :n WHERE address = :a", n=count, a=address)
    world.chain.rpc("anvil_setNonce", hex0x(address), hex(first + count))
    world.chain.mine(3)
    yield address
    world.sql("DELETE FROM txm.tx WHERE mined_hash = :h", h=bytes(32))


def test_mined_rows_never_crowd_out_what_is_to_be_sent(world: World, crowded: bytes) -> None:
    intent = ask(world, "crowded:send", account=crowded)
    assert prepare.prepare(world.machine) == 1
    assert broadcast.broadcast(world.machine) == 1
    assert state_of(world, intent) == "accepted"


def test_mined_rows_never_crowd_out_what_is_to_be_replaced(world: World, crowded: bytes) -> None:
    world.chain.rpc("evm_setAutomine", False)
    try:
        intent = ask(world, "crowded:replace", account=crowded)
        prepare.prepare(world.machine)
        broadcast.broadcast(world.machine)
        world.clock.added += world.ctx.constants.bump_after_seconds + 1
        # the row of the test before may be mined by now; only the newest one waits
        replace.bump_stuck(world.machine)
        attempts = world.one(
            "SELECT count(*) FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :id", id=intent.id
        )
        assert attempts == 2
    finally:
        world.chain.rpc("evm_setAutomine", True)
        world.chain.mine(1)
