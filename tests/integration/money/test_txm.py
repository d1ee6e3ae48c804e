"""The transaction manager on a real chain and a real database: every intent once, every nonce once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from aicp.abi import usdc
from backend.db.times import moment
from backend.errors import IdempotencyMismatch
from backend.txm import broadcast, confirm, heal, prepare, replace, sweep
from backend.txm import service as txm
from backend.txm.models import Intent
from backend.txm.rpc import NodeUnreachable
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import World, stranger

ONE = 1_000_000


def ask(
    world: World,
    key: str,
    *,
    units: int = ONE,
    to: bytes | None = None,
    expires_in: int | None = None,
    account: bytes | None = None,
) -> Intent:
    """Ask for test USDC, so that what is mined can be counted."""
    target = stranger().address if to is None else to
    expires = None if expires_in is None else moment(world.clock() + expires_in)
    return world.write(
        lambda s: txm.enqueue(
            s, world.ctx, idem_key=key, kind="faucet", on_behalf_of=target, to=world.ctx.deployment.usdc,
            data=usdc.encode_faucet(target, units), expires_at=expires, reference={}, account=account,
        )
    )  # fmt: skip


def got(world: World) -> int:
    return world.usdc_of(stranger().address)


def assert_nonces_contiguous(world: World) -> None:
    for account, count, low, high, following in world.sql(
        "SELECT t.account, count(*), min(nonce), max(nonce), max(a.next_nonce) FROM txm.tx t "
        "JOIN txm.account a ON a.address = t.account GROUP BY t.account"
    ):
        assert high - low + 1 == count, "no gap and no double"
        assert following == high + 1
        assert world.machine.rpc.nonce(bytes(account)) >= low


def test_a_hundred_askers_under_one_key_make_one_transaction(world: World) -> None:
    before = got(world)
    with ThreadPoolExecutor(8) as pool:
        ids = {intent.id for intent in pool.map(lambda _: ask(world, "same"), range(100))}
    assert len(ids) == 1
    with pytest.raises(IdempotencyMismatch):
        ask(world, "same", units=2 * ONE)
    world.turn()
    assert got(world) - before == ONE
    assert world.intent_state(ids.pop()) == "final"


def test_concurrent_workers_leave_no_gap(world: World) -> None:
    before = got(world)
    intents = [ask(world, f"many:{n}") for n in range(60)]
    machines = [world.new_machine() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(sweep.sweep, machines))
            world.chain.mine(3)
    for machine in machines:
        close_machine(machine)
    world.until(lambda: all(world.intent_state(i.id) == "final" for i in intents), "all are final", rounds=40)
    assert got(world) - before == 60 * ONE
    assert_nonces_contiguous(world)


def test_at_most_sixteen_of_a_key_are_in_flight(world: World) -> None:
    world.chain.rpc("evm_setAutomine", False)
    try:
        intents = [ask(world, f"flight:{n}") for n in range(40)]
        for _ in range(3):
            sweep.sweep(world.machine)
        busy = dict(
            world.sql("SELECT account, count(*) FROM txm.tx WHERE state IN ('signed', 'accepted') GROUP BY account")
        )
        assert sorted(busy.values()) == [16, 16]
    finally:
        world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(3)
    world.until(lambda: all(world.intent_state(i.id) == "final" for i in intents), "all are final", rounds=40)
    assert_nonces_contiguous(world)


@pytest.mark.parametrize("crash", ["before the broadcast", "after the broadcast, before it is written down"])
def test_a_worker_killed_between_persisting_and_confirming_sends_the_same_bytes_again(world, crash) -> None:
    before = got(world)
    intent = ask(world, f"crash:{crash}")
    child = os.fork()
    if child == 0:  # a worker of its own that dies at the worst moment
        machine = world.new_machine()
        prepare.prepare(machine)
        if crash.startswith("after"):
            raw = machine.db.read(lambda s: s.connection().exec_driver_sql(
                "SELECT a.raw FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = %s", (intent.id,)
            ).scalar_one())  # fmt: skip
            machine.rpc.broadcast([bytes(raw)])
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert world.intent_state(intent.id) == "sent"
    stored = world.sql(
        "SELECT a.hash FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :id", id=intent.id
    )
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) - before == ONE, "once"
    mined = world.one("SELECT tx_hash FROM txm.intent WHERE id = :id", id=intent.id)
    assert [bytes(mined)] == [bytes(row[0]) for row in stored], "the very bytes that were stored"
    assert_nonces_contiguous(world)


def test_a_lost_answer_is_unknown_and_costs_no_second_nonce(world, monkeypatch) -> None:
    before = got(world)
    intent = ask(world, "lost answer")
    prepare.prepare(world.machine)
    real = type(world.machine.rpc).broadcast
    monkeypatch.setattr(
        type(world.machine.rpc),
        "broadcast",
        lambda rpc, raws: (real(rpc, raws), [[NodeUnreachable("timeout")] for _ in raws])[1],
    )
    broadcast.broadcast(world.machine)
    assert world.one("SELECT state FROM txm.tx WHERE intent_id = :id", id=intent.id) == "signed"
    monkeypatch.undo()
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) - before == ONE
    assert world.one("SELECT count(*) FROM txm.tx WHERE intent_id = :id", id=intent.id) == 1


def test_a_call_that_would_revert_fails_by_name_and_burns_no_nonce(world: World) -> None:
    nonces = world.one("SELECT sum(next_nonce) FROM txm.account")
    intent = ask(world, "too much", units=10**12)
    world.turn(rounds=1)
    state, code, detail = world.sql(
        "SELECT state, error_code, error_detail FROM txm.intent WHERE id = :i", i=intent.id
    )[0]
    assert (state, code) == ("failed", "FaucetCapExceeded")
    assert str(10**12) in detail
    assert world.one("SELECT sum(next_nonce) FROM txm.account") == nonces


def test_an_expired_intent_is_never_signed(world: World) -> None:
    intent = ask(world, "too late", expires_in=-1)
    world.turn(rounds=1)
    assert world.intent_state(intent.id) == "expired"
    assert world.one("SELECT count(*) FROM txm.tx WHERE intent_id = :id", id=intent.id) == 0


def test_an_underpriced_transaction_is_replaced_on_its_nonce_and_mined_once(world: World) -> None:
    before = got(world)
    world.chain.rpc("evm_setAutomine", False)
    intent = ask(world, "stuck")
    sweep.sweep(world.machine)
    world.clock.added += world.ctx.constants.bump_after_seconds + 1
    assert replace.bump_stuck(world.machine) == 1
    assert replace.bump_stuck(world.machine) == 0, "not again before its time"
    world.clock.added -= 3600
    assert replace.bump_stuck(world.machine) == 0, "a clock that jumps back bumps nothing"
    world.clock.added += 3600
    broadcast.broadcast(world.machine)
    fees = world.sql(
        "SELECT a.max_fee_wei, a.tip_wei FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id "
        "WHERE t.intent_id = :id ORDER BY seq",
        id=intent.id,
    )
    assert len(fees) == 2
    assert all(new * 8 >= old * 9 for old, new in zip(fees[0], fees[1], strict=True))
    world.chain.rpc("evm_setAutomine", True)
    world.chain.mine(1)
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) - before == ONE


def test_a_dropped_mempool_is_sent_again(world: World) -> None:
    before = got(world)
    world.chain.rpc("evm_setAutomine", False)
    intent = ask(world, "dropped")
    sweep.sweep(world.machine)
    world.chain.rpc("anvil_dropAllTransactions")
    world.chain.rpc("evm_setAutomine", True)
    world.clock.added += 20
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert got(world) - before == ONE


def test_a_mined_transaction_that_a_reorg_drops_goes_back_and_ends_once(world: World) -> None:
    before = got(world)
    intent = ask(world, "reorged")
    prepare.prepare(world.machine)
    snapshot = world.chain.rpc("evm_snapshot")
    broadcast.broadcast(world.machine)
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "mined", "one block is not final"
    world.chain.rpc("evm_revert", snapshot)
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "mined", "a node below its block does not know better"
    world.chain.rpc("anvil_mine", "0x1")
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "sent"
    assert world.one("SELECT state FROM txm.tx WHERE intent_id = :id", id=intent.id) == "accepted"
    sweep.sweep(world.machine)
    world.chain.mine(3)
    confirm.confirm(world.machine)
    assert world.intent_state(intent.id) == "final"
    assert got(world) - before == ONE


def test_a_row_missing_for_a_nonce_is_filled(world: World) -> None:
    account = world.machine.keys.addresses[0]
    world.sql("UPDATE txm.account SET next_nonce = next_nonce + 1 WHERE address = :a", a=account)
    assert heal.fill_holes(world.machine) == 1
    assert heal.fill_holes(world.machine) == 0
    intent = ask(world, "behind a hole")
    world.until(lambda: world.intent_state(intent.id) == "final", "final")
    assert_nonces_contiguous(world)


def test_a_nonce_somebody_else_used_quarantines_the_key_and_requeues_the_intent_once(world: World) -> None:
    before = got(world)
    intent = ask(world, "foreign")
    prepare.prepare(world.machine)
    account = bytes(world.one("SELECT account FROM txm.tx WHERE intent_id = :id", id=intent.id))
    world.send(account, account, b"")  # the node holds the key too: an outsider with our key
    world.chain.mine(3)
    fixed = ask(world, "only this key", account=account)
    world.until(lambda: world.intent_state(intent.id) == "final", "final by another key")
    assert world.intent_state(fixed.id) in {"failed", "final"}, "nothing waits for a quarantined key"
    assert got(world) - before == ONE + (ONE if world.intent_state(fixed.id) == "final" else 0)
    states = sorted(row[0] for row in world.sql("SELECT state FROM txm.tx WHERE intent_id = :id", id=intent.id))
    assert states == ["final", "superseded"]
    assert world.one("SELECT quarantined_reason FROM txm.account WHERE address = :a", a=account)


def test_keys_are_never_spelled_out(world: World) -> None:
    shown = repr(world.machine.keys) + repr(world.ctx.operator) + repr(world.ctx.settings)
    for secret in (*world.ctx.settings.relayer_keys, world.ctx.settings.operator_key):
        assert secret.get_secret_value().removeprefix("0x") not in shown
