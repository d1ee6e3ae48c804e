"""What a broadcast may have done: an intent ends as failed only where its bytes can never be mined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aicp.abi import usdc
from aicp.rules.primitives import hex0x
from backend.txm import broadcast, prepare, replace
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.rpc import Node, NodeUnreachable
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger

TOO_MUCH = {"code": -32000, "message": "exceeds block gas limit"}
POOR = {"code": -32000, "message": "insufficient funds for gas * price + value"}


class Scripted(Node):
    """A node whose answers to broadcasts are `answer`'s; everything else is answered by the real one."""

    answer: Callable[[Any], Any] | None = None

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        first = body[0] if isinstance(body, list) else body
        if self.answer is None or first["method"] != "eth_sendRawTransaction":
            return Node.post(self, body, deadline_seconds)
        return [self.one(each) for each in body] if isinstance(body, list) else self.answer(body)

    def one(self, body: Any) -> Any:
        """Answer one of several; where the script says nothing, neither yes nor no."""
        assert self.answer is not None
        try:
            return self.answer(body)
        except NodeUnreachable:
            return {"jsonrpc": "2.0", "id": body["id"]}


def refuses(error: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda body: {"jsonrpc": "2.0", "id": body["id"], "error": error}


def silent(body: Any) -> Any:
    raise NodeUnreachable("timeout")


@pytest.fixture
def machine(world: World) -> Iterator[Machine]:
    """A worker with two nodes that do as they are told."""
    made = world.new_machine(rpc_urls=[world.chain.url, world.chain.url])
    made.rpc._nodes = [Scripted(url, 10.0) for url in made.rpc.urls]
    world.turn(rounds=1)
    yield made
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    close_machine(made)


def answers(machine: Machine, *wanted: Callable[[Any], Any] | None) -> None:
    for node, answer in zip(machine.rpc._nodes, wanted, strict=True):
        assert isinstance(node, Scripted)
        node.answer = answer


def ask(world: World, key: str, account: bytes | None = None) -> Intent:
    target = stranger().address
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=target, to=world.ctx.deployment.usdc,
            data=usdc.encode_faucet(target, 1), expires_at=None, reference={}, account=account,
        )
    )  # fmt: skip


def attempts(world: World, intent: Intent) -> int:
    return int(
        world.one(
            "SELECT count(*) FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :i", i=intent.id
        )
    )


def got(world: World) -> int:
    return world.usdc_of(stranger().address)


def assert_waits(world: World, intent: Intent) -> None:
    assert world.intent_state(intent.id) == "sent"
    assert world.one("SELECT state FROM txm.tx WHERE intent_id = :i", i=intent.id) == "signed"


def test_a_first_broadcast_every_node_rejects_spends_its_nonce_on_nothing(world: World, machine: Machine) -> None:
    before = got(world)
    key = world.machine.keys.addresses[0]
    bad = ask(world, "reject:bad", key)
    assert prepare.prepare(machine) == 1
    good = ask(world, "reject:good", key)
    assert prepare.prepare(machine) == 1
    tx_id = world.one("SELECT id FROM txm.tx WHERE intent_id = :i", i=bad.id)
    raw = hex0x(bytes(world.one("SELECT raw FROM txm.attempt WHERE tx_id = :t", t=tx_id)))

    def refuses_the_first(body: Any) -> Any:
        wanted = refuses(TOO_MUCH) if body["params"][0] == raw else silent
        return wanted(body)

    answers(machine, refuses_the_first, refuses_the_first)
    assert broadcast.broadcast(machine) == 2
    assert world.sql("SELECT state, error_code FROM txm.intent WHERE id = :i", i=bad.id) == [("failed", "rejected")]
    world.clock.added += 20
    world.until(lambda: world.intent_state(good.id) == "final", "the later nonce is mined")
    assert world.one("SELECT state FROM txm.tx WHERE id = :t", t=tx_id) == "final"
    assert got(world) - before == 1, "the rejected call never happened"


def test_bytes_a_silent_node_may_hold_are_never_given_up(world: World, machine: Machine) -> None:
    before = got(world)
    world.chain.rpc("evm_setAutomine", False)
    intent = ask(world, "unknown:rejected")
    prepare.prepare(machine)

    def takes_and_is_silent(body: Any) -> Any:
        world.chain.rpc(body["method"], *body["params"])
        raise NodeUnreachable("timeout")

    answers(machine, takes_and_is_silent, refuses(TOO_MUCH))
    broadcast.broadcast(machine)
    assert_waits(world, intent)
    answers(machine, refuses(TOO_MUCH), refuses(TOO_MUCH))
    world.clock.added += 20
    assert broadcast.broadcast(machine) == 1
    assert_waits(world, intent)
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) - before == 1


def test_a_rejected_replacement_does_not_give_up_the_bytes_before_it(world: World, machine: Machine) -> None:
    intent = ask(world, "unknown:replaced")
    prepare.prepare(machine)
    answers(machine, silent, silent)
    broadcast.broadcast(machine)
    world.clock.added += world.ctx.constants.bump_after_seconds + 1
    assert replace.bump_stuck(machine) == 1
    answers(machine, refuses(TOO_MUCH), refuses(TOO_MUCH))
    broadcast.broadcast(machine)
    assert attempts(world, intent) == 2
    assert_waits(world, intent)
    answers(machine, None, None)
    world.clock.added += 20
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_worker_that_dies_while_it_sends_has_perhaps_sent(world: World, machine: Machine, monkeypatch) -> None:
    intent = ask(world, "unknown:died")
    prepare.prepare(machine)

    class Killed(BaseException):
        pass

    def die(body: Any) -> Any:
        raise Killed

    answers(machine, die, None)
    with pytest.raises(Killed):
        broadcast.broadcast(machine)
    answers(machine, refuses(TOO_MUCH), refuses(TOO_MUCH))
    world.clock.added += 20
    assert broadcast.broadcast(machine) == 1
    assert_waits(world, intent)
    answers(machine, None, None)
    world.clock.added += 20
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_refusal_for_want_of_gas_leaves_no_doubt(world: World, machine: Machine) -> None:
    intent = ask(world, "poor, then rejected")
    prepare.prepare(machine)
    answers(machine, refuses(POOR), refuses(POOR))
    broadcast.broadcast(machine)
    assert_waits(world, intent)
    answers(machine, refuses(TOO_MUCH), refuses(TOO_MUCH))
    world.clock.added += 20
    broadcast.broadcast(machine)
    assert world.sql("SELECT state, error_code FROM txm.intent WHERE id = :i", i=intent.id) == [("failed", "rejected")]


def test_two_workers_do_not_send_the_same_bytes_at_once(world: World, machine: Machine) -> None:
    ask(world, "claimed")
    prepare.prepare(machine)
    other = world.new_machine()
    sent_by_other: list[int] = []

    def meanwhile(body: Any) -> Any:
        sent_by_other.append(broadcast.broadcast(other))
        raise NodeUnreachable("timeout")

    answers(machine, meanwhile, silent)
    broadcast.broadcast(machine)
    close_machine(other)
    assert sent_by_other == [0]
