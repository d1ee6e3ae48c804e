"""A quarantined key comes back on an operator's word, and not before the chain has settled what became of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from aicp.abi import usdc
from aicp.abi.signing import address_of
from aicp.rules.primitives import hex0x
from backend.breakers import view
from backend.errors import NotFound, Unavailable
from backend.ops import nonces, quarantine
from backend.ops.errors import KeyInForeignUse, KeyNotSettled, QuarantineChanged
from backend.ops.schemas import KeyOut
from backend.txm import broadcast, confirm, heal, monitor, prepare
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.models import Intent
from backend.txm.rpc import NodeUnreachable
from backend.worker.runtime import close_machine
from scripts.devnet.ports import free_port
from tests.fixtures.moneylab import World, stranger

OPERATOR = b"\x0f" * 20


@pytest.fixture
def machine(world: World) -> Iterator[Machine]:
    """A worker of one key, which the node holds too, as a thief would."""
    key = secrets.token_bytes(32)
    world.chain.rpc("anvil_setBalance", hex0x(address_of(key)), hex(10**19))
    world.chain.rpc("anvil_impersonateAccount", hex0x(address_of(key)))
    made = world.new_machine(relayer_keys=[SecretStr(hex0x(key))])
    heal.register_keys(made)
    yield made
    close_machine(made)


def ask(world: World, account: bytes) -> Intent:
    target = stranger().address
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=secrets.token_hex(8), kind="faucet", on_behalf_of=target,
            to=world.ctx.deployment.usdc, data=usdc.encode_faucet(target, 1), expires_at=None, reference={},
            account=account,
        )
    )  # fmt: skip


def use_elsewhere(world: World, address: bytes) -> None:
    call = {"from": hex0x(address), "to": hex0x(address), "value": "0x0"}
    world.chain.rpc("eth_sendTransaction", call)


def quarantined(world: World, machine: Machine) -> tuple[bytes, str]:
    """Let somebody else use the nonce of a stored transaction; return the key and why it is out of use."""
    [address] = machine.keys.addresses
    ask(world, address)
    assert prepare.prepare(machine) == 1
    use_elsewhere(world, address)
    world.chain.mine(3)
    assert heal.find_foreign_use(machine) == 1
    return address, str(world.one("SELECT quarantined_reason FROM txm.account WHERE address = :a", a=address))


def lift(world: World, address: bytes, reason: str) -> KeyOut:
    found = asyncio.run(nonces.counts(world.ctx, address))
    return world.write(lambda s: quarantine.lift(s, world.ctx, OPERATOR, address, reason=reason, counts=found))


def sends(world: World, machine: Machine) -> bool:
    """Return whether the machine's key carries a call to finality."""
    intent = ask(world, machine.keys.addresses[0])
    for _ in range(2):  # what waited for this key goes first
        prepare.prepare(machine)
        broadcast.broadcast(machine)
        world.chain.mine(4)
    confirm.confirm(machine)
    return world.intent_state(intent.id) == "final"


def test_a_key_comes_back_and_sends_again(world: World, machine: Machine) -> None:
    address, reason = quarantined(world, machine)
    assert not sends(world, machine)
    before = world.one("SELECT next_nonce FROM txm.account WHERE address = :a", a=address)
    back = lift(world, address, reason)
    assert (back.quarantined_reason, back.next_nonce) == (None, before)
    alarm = "SELECT cleared_by FROM app.alarm WHERE kind = 'key_quarantined' AND subject = :a"
    assert world.one(alarm, a=hex0x(address)) == OPERATOR
    assert lift(world, address, reason) == back, "once is enough"
    assert heal.find_foreign_use(machine) == 0, "what was known is no reason any more"
    assert sends(world, machine)


def test_a_key_stays_out_of_use_while_the_chain_is_not_done_with_it(world: World, machine: Machine) -> None:
    address, reason = quarantined(world, machine)
    with pytest.raises(QuarantineChanged) as changed:
        lift(world, address, "nonce 7 was used")
    assert changed.value.extra == {"reason": reason}
    use_elsewhere(world, address)
    with pytest.raises(KeyNotSettled, match="not final"):
        lift(world, address, reason)
    world.chain.mine(3)
    with pytest.raises(KeyNotSettled, match="not yet looked"):
        lift(world, address, reason)
    assert heal.find_foreign_use(machine) == 0
    assert lift(world, address, reason).next_nonce == 2, "the workers have moved it on"
    assert sends(world, machine)


def test_a_key_stays_out_of_use_while_its_own_transaction_is_in_doubt(world: World, machine: Machine) -> None:
    [address] = machine.keys.addresses
    ask(world, address)
    prepare.prepare(machine)
    use_elsewhere(world, address)
    world.chain.mine(3)
    reason = "an operator's doubt"
    world.sql("UPDATE txm.account SET quarantined_reason = :r WHERE address = :a", r=reason, a=address)
    with pytest.raises(KeyNotSettled, match="not yet looked"):
        lift(world, address, reason)


def test_a_key_stays_out_of_use_while_somebody_else_waits_with_it(world: World, machine: Machine) -> None:
    address, reason = quarantined(world, machine)
    world.chain.rpc("evm_setAutomine", False)
    try:
        use_elsewhere(world, address)
        with pytest.raises(KeyInForeignUse, match="nonce 1"):
            lift(world, address, reason)
    finally:
        world.chain.rpc("evm_setAutomine", True)
        world.chain.mine(3)


def test_what_no_node_of_our_chain_tells_lifts_nothing(world: World, machine: Machine) -> None:
    [address] = machine.keys.addresses
    with pytest.raises(NotFound):
        lift(world, OPERATOR, "no key of ours")
    settings = world.ctx.settings
    elsewhere = settings.model_copy(update={"chain_id": settings.chain_id + 1})
    silent = settings.model_copy(update={"rpc_urls": [f"http://127.0.0.1:{free_port()}"]})
    for changed in (elsewhere, silent):
        with pytest.raises(Unavailable):
            asyncio.run(nonces.counts(replace(world.ctx, settings=changed), address))
    both = settings.model_copy(update={"rpc_urls": [*silent.rpc_urls, *settings.rpc_urls]})
    assert asyncio.run(nonces.counts(replace(world.ctx, settings=both), address)).latest == 0


def test_a_node_an_operator_has_reset_is_asked_in_the_next_round(world: World, machine: Machine) -> None:
    [node] = machine.rpc._nodes
    monitor.report(machine)
    node.failed(NodeUnreachable("silent"))
    monitor.forgive(machine)
    assert node.rests()
    world.write(lambda s: view.reset(s, world.ctx, node.host))
    monitor.forgive(machine)
    assert not node.rests()
    node.failed(NodeUnreachable("silent still"))
    monitor.forgive(machine)
    assert node.rests(), "a wish is carried out once"
