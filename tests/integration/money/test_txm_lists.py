"""Access lists: attached where they pay, kept by replacements, and never in the way of a call."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace as changed
from typing import Any

import pytest

from aicp.rules.primitives import hex0x
from backend.txm import access, broadcast, confirm, prepare, replace
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.rpc import Node, NodeUnreachable
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger

MANY, FEW = 60, 2
"""Slots a call reads. A listed slot saves 100 gas on a standard chain, naming the called contract costs 2,400."""


class Asked(Node):
    """A node that counts how often it is asked for access lists, and answers as `answer` says."""

    times = 0
    answer: Any = None

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        if isinstance(body, list) or body["method"] != "eth_createAccessList":
            return Node.post(self, body, deadline_seconds)
        self.times += 1
        assert deadline_seconds == access.DEADLINE_SECONDS
        if isinstance(self.answer, Exception):
            raise self.answer
        return Node.post(self, body, deadline_seconds) if self.answer is None else self.answer


@pytest.fixture
def lister(world: World) -> Iterator[Machine]:
    """A machine on a network where access lists are asked for."""
    fresh = world.new_machine()
    machine = changed(fresh, ctx=changed(fresh.ctx, network=changed(fresh.ctx.network, access_lists=True)))
    machine.rpc._nodes[0] = Asked(machine.rpc.urls[0], 10.0)
    yield machine
    close_machine(machine)


def node(machine: Machine) -> Asked:
    found = machine.rpc._nodes[0]
    assert isinstance(found, Asked)
    return found


def reader(world: World, slots: int) -> bytes:
    """A contract that reads so many slots in every call."""
    address = secrets.token_bytes(20)
    code = b"".join(b"\x60" + bytes([number]) + b"\x54\x50" for number in range(slots)) + b"\x00"
    world.chain.rpc("anvil_setCode", hex0x(address), hex0x(code))
    return address


def ask(world: World, to: bytes, gas_limit: int | None = None) -> Intent:
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=secrets.token_hex(8), kind="read", on_behalf_of=stranger().address, to=to,
            data=b"", expires_at=None, reference={}, gas_limit=gas_limit,
        )
    )  # fmt: skip


def send(world: World, machine: Machine, intent: Intent) -> dict[str, Any]:
    """Bring the intent to its end and return the transaction as the chain has it."""
    assert prepare.prepare(machine) == 1
    broadcast.broadcast(machine)
    world.chain.mine(4)
    confirm.confirm(machine)
    assert world.intent_state(intent.id) == "final"
    sent = world.one("SELECT tx_hash FROM txm.intent WHERE id = :id", id=intent.id)
    found: dict[str, Any] = world.chain.rpc("eth_getTransactionByHash", hex0x(bytes(sent)))
    return found


def gas_used(world: World, transaction: dict[str, Any]) -> int:
    return int(world.chain.rpc("eth_getTransactionReceipt", transaction["hash"])["gasUsed"], 16)


@pytest.mark.parametrize("gas_limit", [None, 400_000], ids=["estimated limit", "fixed limit"])
def test_a_list_that_pays_is_attached_and_saves_gas(world: World, lister: Machine, gas_limit: int | None) -> None:
    target = reader(world, MANY)
    with_list = send(world, lister, ask(world, target, gas_limit))
    [row] = with_list["accessList"]
    assert row["address"].lower() == hex0x(target)
    assert sorted(int(key, 16) for key in row["storageKeys"]) == list(range(MANY))
    without = send(world, world.machine, ask(world, target, gas_limit))
    assert not without["accessList"]
    assert gas_used(world, without) - gas_used(world, with_list) == MANY * 100 - 2_400
    assert without["gas"] == with_list["gas"], "the limit is the one without a list"


def test_a_list_that_does_not_pay_is_left_out(world: World, lister: Machine) -> None:
    assert not send(world, lister, ask(world, reader(world, FEW)))["accessList"]
    assert node(lister).times == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32601, "message": "the method does not exist"}},
        {"result": {"accessList": [{"address": 7}]}},
        NodeUnreachable("ReadTimeout"),
    ],
    ids=["refusal", "nonsense", "silence"],
)
def test_a_node_that_tells_no_list_delays_nothing_and_is_left_alone(world: World, lister: Machine, answer: Any) -> None:
    node(lister).answer = answer
    for _ in range(2):
        assert not send(world, lister, ask(world, reader(world, MANY)))["accessList"]
    assert node(lister).times == 1
    node(lister).answer = None
    world.clock.added += access.PAUSE_SECONDS
    assert send(world, lister, ask(world, reader(world, MANY)))["accessList"]


def test_a_replacement_keeps_the_list(world: World, lister: Machine) -> None:
    target = reader(world, MANY)
    world.chain.rpc("evm_setAutomine", False)
    intent = ask(world, target)
    assert prepare.prepare(lister) == 1
    broadcast.broadcast(lister)
    world.clock.added += world.ctx.constants.bump_after_seconds + 1
    assert replace.bump_stuck(lister) == 1
    broadcast.broadcast(lister)
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(4)
    confirm.confirm(lister)
    assert world.intent_state(intent.id) == "final"
    mined = world.one("SELECT mined_hash FROM txm.tx WHERE intent_id = :id", id=intent.id)
    transaction = world.chain.rpc("eth_getTransactionByHash", hex0x(bytes(mined)))
    assert len(transaction["accessList"][0]["storageKeys"]) == MANY


def test_where_lists_do_not_pay_no_node_is_asked(world: World, lister: Machine) -> None:
    plain = changed(lister, ctx=world.ctx)
    assert not send(world, plain, ask(world, reader(world, MANY)))["accessList"]
    assert node(plain).times == 0
