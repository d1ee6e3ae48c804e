"""Rounds of the transaction manager among slow, small, lagging and half-broken nodes, and clocks that go back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from aicp.abi import usdc
from backend.txm import broadcast, confirm, prepare, sweep
from backend.txm import service as txm
from backend.txm.machine import MAX_IN_FLIGHT, Machine
from backend.txm.models import Intent
from backend.txm.patience import FIRST_PAUSE, LONGEST_PAUSE
from backend.txm.rpc import Node, NodeUnreachable
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


@pytest.fixture
def machine(world: World) -> Iterator[Machine]:
    """A worker of its own."""
    world.turn(rounds=1)
    made = world.new_machine()
    yield made
    world.chain.rpc("evm_setAutomine", True)
    close_machine(made)


def open_transactions(world: World) -> int:
    """How many sessions of this database are in a transaction, besides the one that asks."""
    return int(
        world.one(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    )


def test_no_node_is_asked_while_a_transaction_is_open(world: World, machine: Machine, monkeypatch) -> None:
    intents = [ask(world, f"open:{n}") for n in range(3)]
    asked: list[tuple[str, int]] = []
    real = Node.post

    def post(node: Node, body: Any, *rest: Any) -> Any:
        asked.append((str(body), open_transactions(world)))
        return real(node, body, *rest)

    monkeypatch.setattr(Node, "post", post)
    sweep.sweep(machine)
    world.chain.mine(3)
    sweep.sweep(machine)
    monkeypatch.undo()
    assert {world.intent_state(intent.id) for intent in intents} == {"final"}
    assert any("eth_getBalance" in body for body, _ in asked)
    assert [body for body, held in asked if held] == []


def test_a_key_without_funds_takes_no_nonce_and_another_goes_on(world: World, machine: Machine) -> None:
    poor, _ = machine.keys.addresses
    had = world.chain.rpc("eth_getBalance", "0x" + poor.hex(), "latest")
    nonce = world.one("SELECT next_nonce FROM txm.account WHERE address = :a", a=poor)
    world.chain.rpc("anvil_setBalance", "0x" + poor.hex(), "0x1")
    bound, free = ask(world, "poor:bound", poor), ask(world, "poor:free")
    sweep.sweep(machine)
    assert (world.intent_state(bound.id), world.intent_state(free.id)) == ("queued", "mined")
    assert world.one("SELECT next_nonce FROM txm.account WHERE address = :a", a=poor) == nonce
    world.chain.rpc("anvil_setBalance", "0x" + poor.hex(), had)
    world.until(lambda: world.intent_state(bound.id) == "final", "final after the top-up")


class Small(Node):
    """A node that answers a hundred calls in one request and no more."""

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        if isinstance(body, list) and len(body) > 100:
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch too large"}}
        return Node.post(self, body, deadline_seconds)


def test_more_receipts_than_a_node_answers_at_once_are_asked_in_pieces(world: World, machine: Machine) -> None:
    machine.rpc._nodes[0] = Small(world.chain.url, 10.0)
    intent = ask(world, "small")
    sweep.sweep(machine)
    [mined] = world.sql("SELECT tx_hash FROM txm.intent WHERE id = :i", i=intent.id)
    hashes = [number.to_bytes(32, "big") for number in range(1, 230)] + [bytes(mined[0])]
    assert len(hashes) > 100
    assert set(machine.rpc.receipts(hashes)) == {bytes(mined[0])}


class Behind(Node):
    """A node that has not seen the newest blocks."""

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        if isinstance(body, list):
            return [self.post(one) for one in body]
        real = Node.post(self, body, deadline_seconds)
        if body["method"] == "eth_getTransactionReceipt":
            return {**real, "result": None}
        if body["method"] == "eth_getBlockByNumber" and body["params"][0] not in {"latest", "finalized"}:
            return {**real, "result": None}
        return real


def told(world: World, intent: Intent) -> int:
    return int(
        world.one(
            "SELECT count(*) FROM app.outbox WHERE type = 'intent.changed' AND payload->>'intent_id' = :i",
            i=str(intent.id),
        )
    )


@pytest.mark.parametrize("nodes", [["behind"], ["behind", "good"], ["good", "behind"]])
def test_a_node_that_lags_takes_nothing_mined_back(world: World, machine: Machine, nodes: list[str]) -> None:
    intent = ask(world, f"behind:{nodes}")
    sweep.sweep(machine)
    assert world.intent_state(intent.id) == "mined"
    events = told(world, intent)
    kinds = {"behind": Behind, "good": Node}
    machine.rpc._nodes = [kinds[kind](world.chain.url, 10.0) for kind in nodes]
    for _ in range(2):
        sweep.sweep(machine)
    assert world.intent_state(intent.id) == "mined"
    assert told(world, intent) == events, "nobody is told of what did not happen"
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_receipt_any_node_has_is_found(world: World, machine: Machine) -> None:
    intent = ask(world, "behind:found")
    machine.rpc._nodes = [Behind(world.chain.url, 10.0), Node(world.chain.url, 10.0)]
    sweep.sweep(machine)
    assert world.intent_state(intent.id) == "mined"


def test_a_clock_that_goes_back_an_hour_stops_no_broadcast_and_bumps_nothing(world: World, machine: Machine) -> None:
    world.chain.rpc("evm_setAutomine", False)
    world.clock.added += 3600
    intent = ask(world, "clock")
    prepare.prepare(machine)
    assert broadcast.broadcast(machine) == 1
    world.clock.added -= 3600
    world.chain.rpc("anvil_dropAllTransactions")
    assert sweep.sweep(machine)["sent"] == 1, "a stamp from the future is long ago"
    assert broadcast.broadcast(machine) == 0, "and then as recent as any"
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    confirm.confirm(machine)
    assert world.intent_state(intent.id) == "mined"
    count = world.one(
        "SELECT count(*) FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :i", i=intent.id
    )
    assert count == 1


class Broken(Node):
    """A node that answers one kind of question as no good node does, and all others well."""

    method = ""
    first: Any = None
    answer: ClassVar[dict[str, Any]]

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        if isinstance(body, list):
            return [self.post(one) for one in body]
        if body["method"] == self.method and self.first in (None, body["params"][0]):
            return {"jsonrpc": "2.0", "id": body["id"], **self.answer}
        return Node.post(self, body, deadline_seconds)


class Unfinal(Broken):
    """What geth and bor say until they have seen a final block, which may take as long as finality stands still."""

    method, first = "eth_getBlockByNumber", "finalized"
    answer: ClassVar = {"error": {"code": -32000, "message": "finalized block not found"}}


class Headless(Broken):
    """A node behind a balancer that has no newest block."""

    method, first = "eth_getBlockByNumber", "latest"
    answer: ClassVar = {"result": None}


class Indexing(Broken):
    """What geth says of receipts while it still reads its old blocks."""

    method = "eth_getTransactionReceipt"
    answer: ClassVar = {"error": {"code": -32000, "message": "transaction indexing is in progress"}}


class Uncounted(Broken):
    """A node without the state that counts are read from."""

    method = "eth_getTransactionCount"
    answer: ClassVar = {"error": {"code": -32000, "message": "missing trie node"}}


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a good one"])
@pytest.mark.parametrize("kind", [Unfinal, Indexing, Uncounted])
def test_a_node_that_fails_one_step_keeps_nothing_from_being_sent(
    world: World, machine: Machine, kind: type[Broken], beside: bool
) -> None:
    intent = ask(world, f"broken:{kind.__name__}:{beside}")
    good = [Node(world.chain.url, 10.0)] if beside else []
    machine.rpc._nodes = [kind(world.chain.url, 10.0), *good]
    assert sweep.sweep(machine)["sent"] == 1
    assert not any(node.rests() for node in machine.rpc._nodes), "it has answered"
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_node_that_has_no_newest_block_rests_and_another_is_asked(world: World, machine: Machine) -> None:
    intent = ask(world, "headless")
    machine.rpc._nodes = [Headless(world.chain.url, 10.0)]
    assert sweep.sweep(machine)["sent"] == 0
    assert world.intent_state(intent.id) == "queued", "nobody tells what to offer"
    bad = Headless(world.chain.url, 10.0)
    machine.rpc._nodes = [bad, Node(world.chain.url, 10.0)]
    assert sweep.sweep(machine)["sent"] == 1
    assert bad.rests()
    assert isinstance(bad.last_error, NodeUnreachable)
    world.until(lambda: world.intent_state(intent.id) == "final", "final")


def test_a_round_ends_when_it_has_lost_as_long_as_it_may_last(world: World, machine: Machine, monkeypatch) -> None:
    sweep.sweep(machine)
    tried: list[str] = []

    def lose(name: str) -> Any:
        def step(_: Machine) -> int:
            tried.append(name)
            time.sleep(0.06)
            raise NodeUnreachable("silent")

        return step

    monkeypatch.setattr(sweep, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(sweep.confirm, "confirm", lose("confirm"))
    monkeypatch.setattr(sweep.heal, "find_foreign_use", lose("heal"))
    monkeypatch.setattr(sweep.heal, "fill_holes", lose("fill"))
    sweep.sweep(machine)
    assert tried == ["confirm", "heal"]


class Timed(Node):
    """A node that breaks off simulations of some receivers: no revert, and not all gas used up."""

    slow = bytes.fromhex("5107" * 10)

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        if isinstance(body, list):
            return [self.post(one) for one in body]
        if body["method"] == "eth_estimateGas" and self.slow.hex() in body["params"][0]["data"]:
            return {"id": body["id"], "error": {"code": -32000, "message": "execution aborted (timeout = 5s)"}}
        return Node.post(self, body, deadline_seconds)


def test_calls_no_node_has_a_verdict_on_let_others_go_first(world: World, machine: Machine) -> None:
    slow = [
        world.write(
            lambda s, number=number: txm.enqueue(
                s, world.ctx, idem_key=f"slow:{number}", kind="faucet", on_behalf_of=Timed.slow,
                to=world.ctx.deployment.usdc, data=usdc.encode_faucet(Timed.slow, 1 + number), expires_at=None,
                reference={},
            )
        )
        for number in range(MAX_IN_FLIGHT * len(machine.keys.addresses))
    ]  # fmt: skip
    world.clock.added += 1
    behind = ask(world, "slow:behind")
    bound = ask(world, "slow:bound", machine.keys.addresses[0])
    machine.rpc._nodes = [Timed(world.chain.url, 10.0)]
    sweep.sweep(machine)
    assert (world.intent_state(behind.id), world.intent_state(bound.id)) == ("mined", "mined")
    assert {world.intent_state(one.id) for one in slow} == {"queued"}

    def waits() -> float:
        found = world.one("SELECT not_before FROM txm.intent WHERE id = :i", i=slow[0].id)
        return float(found.timestamp() - world.clock())

    lasted: list[float] = []
    for _ in range(7):
        world.clock.added += round(max(waits(), 0)) + 1
        prepare.prepare(machine)
        lasted.append(waits())
    assert FIRST_PAUSE.seconds < lasted[0] < lasted[2] <= lasted[-1] <= LONGEST_PAUSE.seconds
    assert lasted[-1] > LONGEST_PAUSE.seconds - 2, "it grows up to the longest"
    world.clock.added -= 3600
    machine.rpc._nodes = [Node(world.chain.url, 10.0)]
    assert prepare.prepare(machine) == len(slow), "a time far away is a clock that went back"
    world.clock.added += 3600
    world.until(lambda: {world.intent_state(one.id) for one in slow} == {"final"}, "carried out")
