"""Nodes of another chain: nothing is sent to them, nothing they say is believed, and somebody is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from aicp.abi import usdc
from backend.txm import broadcast, prepare, sweep
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.rpc import Node
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger
from tests.fixtures.services import Anvil, start_anvil


def ask(world: World, key: str) -> Intent:
    target = stranger().address
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=target, to=world.ctx.deployment.usdc,
            data=usdc.encode_faucet(target, 1), expires_at=None, reference={},
        )
    )  # fmt: skip


def tx_of(world: World, intent: Intent) -> list[tuple[str, int]]:
    """State and number of attempts of every transaction of an intent."""
    rows = world.sql(
        "SELECT t.state, (SELECT count(*) FROM txm.attempt a WHERE a.tx_id = t.id) FROM txm.tx t "
        "WHERE t.intent_id = :id",
        id=intent.id,
    )
    return [(state, count) for state, count in rows]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Anvil]:
    """Another chain on which our keys are rich and have sent more than here."""
    chain = start_anvil(chain_id=1)
    yield chain
    chain.close()


@pytest.fixture
def astray(world: World, elsewhere: Anvil) -> Iterator[Machine]:
    """A machine whose only node serves another chain."""
    for address in world.machine.keys.addresses:
        elsewhere.rpc("anvil_setNonce", "0x" + address.hex(), hex(500))
    elsewhere.rpc("anvil_mine", "0x5")
    machine = world.new_machine(rpc_urls=[elsewhere.url])
    yield machine
    close_machine(machine)


def test_a_round_on_another_chain_changes_nothing_and_is_told(world: World, astray: Machine, elsewhere: Anvil) -> None:
    world.turn(rounds=1)
    intent = ask(world, "astray:queued")
    before = world.sql("SELECT address, next_nonce, quarantined_reason FROM txm.account ORDER BY address")
    with structlog.testing.capture_logs() as lines:
        sweep.sweep(astray)
    assert any(line["log_level"] == "error" and line.get("served") == 1 for line in lines)
    assert world.sql("SELECT address, next_nonce, quarantined_reason FROM txm.account ORDER BY address") == before
    assert (world.intent_state(intent.id), tx_of(world, intent)) == ("queued", [])
    world.until(lambda: world.intent_state(intent.id) == "final", "final on the right chain")


def test_signed_bytes_are_not_shown_to_another_chain_and_keep_their_nonce(
    world: World, astray: Machine, monkeypatch
) -> None:
    intent = ask(world, "astray:signed")
    prepare.prepare(world.machine)
    methods: list[str] = []
    real = Node.post

    def post(node: Node, body: Any, *rest: Any) -> Any:
        methods.append(body["method"])
        return real(node, body, *rest)

    monkeypatch.setattr(Node, "post", post)
    broadcast.broadcast(astray)
    monkeypatch.undo()
    assert methods == ["eth_chainId"]
    assert (world.intent_state(intent.id), tx_of(world, intent)) == ("sent", [("signed", 1)])
    world.clock.added += 20
    world.until(lambda: world.intent_state(intent.id) == "final", "final on the right chain")
    assert [state for state, _ in tx_of(world, intent)] == ["final"], "on the nonce it had"


def test_a_node_that_changes_chains_behind_its_address_ends_no_intent(
    world: World, elsewhere: Anvil, monkeypatch
) -> None:
    intent = ask(world, "astray:moved")
    machine = world.new_machine()
    prepare.prepare(machine)
    real = Node.post
    home, away = world.chain.url, elsewhere.url

    def post(node: Node, body: Any, *rest: Any) -> Any:
        node.url = away
        return real(node, body, *rest)

    monkeypatch.setattr(Node, "post", post)
    broadcast.broadcast(machine)
    assert (world.intent_state(intent.id), tx_of(world, intent)) == ("sent", [("signed", 1)])
    told = world.one(
        "SELECT a.last_error FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :i", i=intent.id
    )
    assert "chain" in told.lower()
    monkeypatch.undo()
    assert not machine.rpc._nodes[0].trusted, "asked again before its next use"
    machine.rpc._nodes[0].url = home
    world.clock.added += 20
    broadcast.broadcast(machine)
    close_machine(machine)
    world.until(lambda: world.intent_state(intent.id) == "final", "final on the right chain")


def test_the_right_node_is_used_where_another_is_astray(world: World, elsewhere: Anvil) -> None:
    intent = ask(world, "astray:one of two")
    machine = world.new_machine(rpc_urls=[elsewhere.url, world.chain.url])
    sweep.sweep(machine)
    close_machine(machine)
    assert world.intent_state(intent.id) == "mined"
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
