"""Cancelling a relayed call, and what its owner and the operator see of it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from aicp.abi import usdc
from aicp.rules.primitives import hex0x
from backend.alarms import service as alarms
from backend.db.times import moment
from backend.errors import Conflict, NotFound
from backend.network import service as network
from backend.ops import service as ops
from backend.txm import broadcast, confirm, monitor, prepare, replace, repo, sweep
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.states import Priority
from backend.wallet import service as wallet
from tests.fixtures.moneylab import World, stranger


def ask(world: World, key: str, kind: str = "faucet", *, budget_wei: int | None = None) -> Intent:
    target = stranger().address
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind=kind, on_behalf_of=target, to=world.ctx.deployment.usdc,
            data=usdc.encode_faucet(target, 1), expires_at=None, reference={}, budget_wei=budget_wei,
        )
    )  # fmt: skip


def cancel(world: World, intent_id: uuid.UUID) -> str:
    return world.write(lambda s: wallet.cancel(s, world.ctx, intent_id, stranger().address)).state


def got(world: World) -> int:
    return world.usdc_of(stranger().address)


def test_what_is_urgent_or_ends_soon_goes_first(world: World) -> None:
    def waits(key: str, **more: Any) -> uuid.UUID:
        values = {"expires_at": None, **more}
        return world.write(
            lambda s: txm.enqueue(
                s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=stranger().address,
                to=world.ctx.deployment.usdc, data=b"", reference={}, **values,
            )
        ).id  # fmt: skip

    now = moment(world.clock())
    old, far = waits("turn:old"), waits("turn:far", expires_at=now + dt.timedelta(hours=1))
    urgent = waits("turn:urgent", priority=Priority.URGENT)
    near = waits("turn:near", expires_at=now + dt.timedelta(seconds=60))
    claim = waits("turn:claim", priority=Priority.URGENT, account=bytes(20))
    settle = waits("turn:settle", priority=Priority.URGENT, account=bytes(20))
    found = world.read(lambda s: [row.id for row in s.execute(repo.ready(now, 10)).scalars()])
    assert found == [urgent, near, claim, old, far], "and of one sender only its first"
    assert settle not in found
    world.sql("UPDATE txm.intent SET state = 'cancelled' WHERE idem_key LIKE 'turn:%'")


def test_what_waits_is_cancelled_at_once_and_takes_no_nonce(world: World) -> None:
    world.turn(rounds=1)
    nonces = world.one("SELECT sum(next_nonce) FROM txm.account")
    intent = ask(world, "cancel:queued")
    assert cancel(world, intent.id) == "cancelled"
    assert cancel(world, intent.id) == "cancelled", "a second time changes nothing"
    world.turn(rounds=1)
    assert world.intent_state(intent.id) == "cancelled"
    assert world.one("SELECT sum(next_nonce) FROM txm.account") == nonces


def test_what_is_sent_is_cancelled_by_its_nonce(world: World) -> None:
    before = got(world)
    world.chain.rpc("evm_setAutomine", False)
    try:
        intent = ask(world, "cancel:sent")
        sweep.sweep(world.machine)
        assert cancel(world, intent.id) == "sent"
        assert replace.cancel_asked(world.machine) == 1
        assert replace.cancel_asked(world.machine) == 0, "once"
        broadcast.broadcast(world.machine)
    finally:
        world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "sent", "not certain before it is final"
    world.until(lambda: world.intent_state(intent.id) == "cancelled", "cancelled")
    assert got(world) == before, "the call never happened"
    [one] = world.read(lambda s: wallet.read(s, intent.id, stranger().address)).transactions
    assert (one.state, [a.spends_nothing for a in one.attempts]) == ("cancelled", [False, True])
    later = ask(world, "cancel:later")
    world.until(lambda: world.intent_state(later.id) == "final", "later nonces are mined")


def test_a_cancellation_that_comes_too_late_says_what_happened(world: World) -> None:
    before = got(world)
    world.chain.rpc("evm_setAutomine", False)
    intent = ask(world, "cancel:late")
    sweep.sweep(world.machine)
    cancel(world, intent.id)
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) == before + 1
    with pytest.raises(Conflict):
        cancel(world, intent.id)


def test_what_others_rely_on_and_what_is_not_ones_own_is_not_cancelled(world: World) -> None:
    relied_on, foreign = ask(world, "cancel:submit", "submit"), ask(world, "cancel:foreign")
    with pytest.raises(Conflict):
        cancel(world, relied_on.id)
    with pytest.raises(NotFound):
        world.write(lambda s: wallet.cancel(s, world.ctx, foreign.id, world.buyer.address))
    world.until(lambda: world.intent_state(foreign.id) == "final", "final")


def test_fees_stop_at_the_budget_and_somebody_is_told_while_it_is_sent_again(world: World) -> None:
    world.chain.rpc("evm_setAutomine", False)
    try:
        limit_fee = world.machine.market_fees().max_fee_wei
        intent = ask(world, "budget", budget_wei=100_000 * limit_fee)
        assert prepare.prepare(world.machine) == 1
        gas = world.one("SELECT gas_limit FROM txm.intent WHERE id = :i", i=intent.id)
        assert gas < 100_000
        broadcast.broadcast(world.machine)
        for _ in range(12):
            world.clock.added += world.ctx.constants.bump_after_seconds + 1
            replace.bump_stuck(world.machine)
        fees = [int(row[0]) for row in world.sql(
            "SELECT a.max_fee_wei FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :i "
            "ORDER BY seq", i=intent.id,
        )]  # fmt: skip
        assert len(fees) > 1
        assert max(fees) * gas <= 100_000 * limit_fee
        assert "fee_cap" in [alarm.kind for alarm in world.read(alarms.open_alarms)]
        assert broadcast.broadcast(world.machine) >= 1, "it goes on being sent"
    finally:
        world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    sweep.sweep(world.machine)
    assert "fee_cap" not in [alarm.kind for alarm in world.read(alarms.open_alarms)]


def test_operators_see_keys_and_everybody_sees_that_one_is_low(world: World) -> None:
    key = world.machine.keys.addresses[0]
    had = world.chain.rpc("eth_getBalance", hex0x(key), "latest")
    world.chain.rpc("anvil_setBalance", hex0x(key), hex(10**12))
    world.machine.watch.reported_at = None
    monitor.report(world.machine)
    report = world.read(lambda s: ops.keys(s, world.ctx))
    low = next(one for one in report.keys if one.address == key)
    assert (low.balance_wei, low.quarantined_reason) == (str(10**12), None)
    assert [(one.kind, one.subject) for one in report.alarms if one.cleared_at is None] == [("key_low", hex0x(key))]
    status = world.read(lambda s: network.status(s, world.ctx))
    assert [(one.kind, one.subject) for one in status.alarms] == [("key_low", hex0x(key))]
    assert [node.answers for node in status.nodes] == [True]
    world.chain.rpc("anvil_setBalance", hex0x(key), had)
    world.machine.watch.reported_at = None
    monitor.report(world.machine)
    assert world.read(alarms.open_alarms) == []


def test_a_contract_with_other_code_is_sent_nothing(world: World) -> None:
    escrow = world.ctx.deployment.escrow
    code = world.chain.rpc("eth_getCode", hex0x(escrow), "latest")
    world.chain.rpc("anvil_setCode", hex0x(escrow), "0x00")
    intent = ask(world, "code")
    machine = world.new_machine()
    sweep.sweep(machine)
    assert world.intent_state(intent.id) == "queued"
    assert [a.kind for a in world.read(alarms.open_alarms)] == ["code_changed"]
    world.chain.rpc("anvil_setCode", hex0x(escrow), code)
    sweep.sweep(machine)
    assert world.intent_state(intent.id) == "mined"
    assert world.read(alarms.open_alarms) == []
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
