"""Claims: what is threatened goes first, nothing is claimed twice, what fails is tried again after growing pauses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from structlog.testing import CapturingLogger

from aicp.abi import payment_channel as channel_abi
from aicp.rules.primitives import hex0x
from backend.db.times import moment
from backend.domain import settlement as rules
from backend.settlement import service as settlement
from backend.txm import broadcast, confirm, prepare
from backend.txm.machine import Machine
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, Person, World

PRICE = 400_000


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.deposit(50 * USDC)


def earn(world: World, agent: Person | None = None) -> int:
    """Let the agent earn a receipt and wait until it is old enough; return what the channel has earned in all."""
    lane = world.lane(agent).channel_id
    known = world.sql("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=lane)
    total = PRICE + (int(known[0][0]) if known else 0)
    deal = world.deal(PRICE, agent)
    world.place(deal, world.order(deal, total))
    world.deliver(deal)
    world.judge(deal, accepted=True)
    world.clock.added += world.ctx.constants.settle_age_seconds
    return total


def claims(world: World) -> int:
    return int(world.one("SELECT count(*) FROM txm.intent WHERE kind = 'claim'"))


def claimed(world: World, agent: Person | None = None) -> int:
    lane = world.lane(agent).channel_id
    row = world.sql("SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id", id=lane)
    return int(row[0][0]) if row else 0


def underway(world: World) -> int:
    return int(world.one("SELECT count(*) FROM txm.intent WHERE state IN ('queued', 'sent', 'mined')"))


def frugal(world: World, **changes: int) -> Machine:
    """A worker of a network where receipts are worth less against their gas."""
    ctx = world.ctx
    constants = replace(ctx.constants, **changes)
    return replace(world.machine, ctx=replace(ctx, network=replace(ctx.network, constants=constants)))


@contextmanager
def withdrawing(world: World) -> Iterator[None]:
    """Between a withdrawal's announcement and its end without a payment, both in the mirror."""
    key, operator, target = world.session_key.address, world.ctx.operator.address, world.ctx.deployment.payment_channel
    world.send(world.buyer.address, target, channel_abi.encode_initiate_pool_withdraw(key, operator, USDC))
    world.mirror()
    try:
        yield
    finally:
        world.send(world.buyer.address, target, channel_abi.encode_cancel_pool_withdraw(key, operator))
        world.turn()


@contextmanager
def crowd(world: World, size: int, units: int) -> Iterator[None]:
    """Channels of another pool of ours, each with one receipt of so much; rows without the deals behind them."""
    statements = [
        "SET LOCAL session_replication_role = replica",
        """INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)
           VALUES (sha256('crowd'), :payer, :payer, :operator, 0, :units * :size)""",
        """INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units,
                                    receipted_units)
           SELECT sha256(('crowd ' || n)::bytea), sha256('crowd'), :payer, :units, 0, :units, :units
           FROM generate_series(1, :size) n""",
        """INSERT INTO app.receipt (id, channel_id, order_hash, total_claimed_units, ceiling_units, voucher_signature,
                                    operator, operator_signature, created_at)
           SELECT gen_random_uuid(), channel_id, channel_id, :units, :units, :signature, :operator, :signature, :now
           FROM app.channel WHERE pool_id = sha256('crowd')""",
    ]
    given = {
        "payer": world.rival.address, "operator": world.ctx.operator.address, "units": units, "size": size,
        "signature": bytes(64) + b"\x1b",
    }  # fmt: skip
    given["now"] = moment(world.clock())
    with world.machine.db.engine.begin() as connection:
        for statement in statements:
            names = {name: value for name, value in given.items() if f":{name}" in statement}
            connection.execute(text(statement), names)
    try:
        yield
    finally:
        for table in ("receipt", "claim_try", "channel"):
            world.sql(
                f"DELETE FROM app.{table} WHERE channel_id IN"
                " (SELECT channel_id FROM app.channel WHERE pool_id = sha256('crowd'))"
            )
        world.sql("DELETE FROM app.pool WHERE pool_id = sha256('crowd')")


def test_a_threatened_receipt_is_claimed_however_many_larger_ones_wait(world: World) -> None:
    total = earn(world)
    with crowd(world, 800, 2 * PRICE):
        machine = frugal(world, settle_gas_multiple=10**12)
        assert sweeps.settle(machine) == 0, "nothing is worth its gas"
        with withdrawing(world):
            assert sweeps.settle(machine) == 1
            world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_small_receipts_that_have_waited_are_claimed_behind_larger_ones_that_have_not(world: World) -> None:
    total = earn(world)
    # a row costs about 76,000 units here, so both are worth their gas and neither is worth ten times that
    machine = frugal(world, settle_gas_multiple=1, settle_age_seconds=3_600)
    world.clock.added += 3_600
    with crowd(world, 800, PRICE + 100_000):
        assert sweeps.settle(machine) == 1
        world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_a_claim_is_not_built_again_while_the_mirror_has_not_seen_it(world: World) -> None:
    total = earn(world)
    before = claims(world)
    assert sweeps.settle(world.machine) == 1
    for _ in range(4):
        sweeps.sweep_transactions(world.machine)
        world.chain.mine(3)
    newest = "SELECT state FROM txm.intent WHERE kind = 'claim' ORDER BY created_at DESC LIMIT 1"
    assert world.one(newest) == "final"
    assert claimed(world) < total, "the mirror has read nothing of it"
    for _ in range(3):
        world.clock.added += 3_600
        assert sweeps.settle(world.machine) == 0
    assert claims(world) == before + 1
    world.turn()
    assert claimed(world) == total
    assert sweeps.settle(world.machine) == 0


def test_a_claim_with_too_little_gas_costs_none_and_is_tried_again_after_growing_pauses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = earn(world)
    before, sent = claims(world), world.one("SELECT count(*) FROM txm.tx")
    with monkeypatch.context() as patched:
        patched.setattr(settlement, "claim_gas", lambda _: 50_000)
        patched.setattr(settlement, "settle_gas", lambda _: 25_000)
        for number, pause in enumerate((60, 120, 240), start=1):
            assert sweeps.settle(world.machine) == 1
            for _ in range(3):
                sweeps.sweep_transactions(world.machine)
                assert sweeps.settle(world.machine) == 0, "a pause first"
            assert claims(world) == before + number
            wait = world.one("SELECT max(not_before - updated_at) FROM app.claim_try WHERE tries = :n", n=number)
            assert wait.total_seconds() == pause
            world.clock.added += pause
    errors = world.sql("SELECT state, error_code FROM txm.intent WHERE kind = 'claim' ORDER BY created_at DESC LIMIT 3")
    assert [tuple(row) for row in errors] == [("failed", "out_of_gas")] * 3
    assert world.one("SELECT count(*) FROM txm.tx") == sent, "found by simulation, so nothing was sent"
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_a_receipt_the_chain_would_refuse_rests_and_holds_up_no_other(world: World) -> None:
    total = earn(world)
    earn(world, world.rival)
    other = world.lane(world.rival).channel_id
    good = world.one("SELECT operator_signature FROM app.receipt WHERE channel_id = :id", id=other)
    swap = "UPDATE app.receipt SET operator_signature = :signature WHERE channel_id = :id"
    world.sql(swap, id=other, signature=bytes(64) + b"\x1b")
    assert sweeps.settle(world.machine) == 1, "the agent's, and not the rival's"
    world.until(lambda: claimed(world) == total, "the claim is on chain")
    world.sql(swap, id=other, signature=good)
    assert sweeps.settle(world.machine) == 0, "a look after the pause"
    world.clock.added += 61
    assert sweeps.settle(world.machine) == 1


def test_claims_of_a_batch_that_failed_are_tried_again_in_halves(world: World) -> None:
    earn(world)
    earn(world, world.rival)
    world.turn()
    before = claims(world)
    assert sweeps.settle(world.machine) == 2
    assert claims(world) == before + 1
    world.sql("UPDATE txm.intent SET state = 'failed' WHERE state = 'queued'")
    world.sql("UPDATE app.claim_try SET tries = 9")
    world.clock.added += 61
    assert sweeps.settle(world.machine) == 2
    assert claims(world) == before + 3, "400 halved nine times is one row"
    world.until(lambda: not underway(world), "both are claimed")


@pytest.mark.parametrize(("bound", "most"), [("MAX_BATCH_BYTES", 650), ("MAX_BATCH_GAS", 150_000)])
def test_a_batch_too_large_for_a_transaction_is_sent_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    totals = earn(world), earn(world, world.rival)
    before = claims(world)
    with monkeypatch.context() as patched:
        patched.setattr(rules, bound, most)
        assert sweeps.settle(world.machine) == 2
    assert claims(world) == before + 2
    world.until(lambda: (claimed(world), claimed(world, world.rival)) == totals, "both claims are on chain")


@contextmanager
def dry(world: World, address: bytes) -> Iterator[None]:
    """While a key has no gas."""
    balance = world.chain.rpc("eth_getBalance", hex0x(address), "latest")
    world.chain.rpc("anvil_setBalance", hex0x(address), "0x0")
    try:
        yield
    finally:
        world.chain.rpc("anvil_setBalance", hex0x(address), balance)


def senders_of_newest(world: World) -> list[bytes]:
    """The keys of the newest claim and of its settlement."""
    return [
        bytes(world.one(f"SELECT account FROM txm.intent WHERE kind = '{kind}' ORDER BY created_at DESC LIMIT 1"))
        for kind in ("claim", "settle")
    ]


def test_a_key_without_gas_stops_no_claim(world: World) -> None:
    first, second = world.machine.keys.addresses[:2]
    total = earn(world)
    world.turn()
    with dry(world, first):
        assert sweeps.settle(world.machine) >= 1
        assert senders_of_newest(world) == [second, second]
        world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_a_claim_moves_on_with_its_settlement_when_its_key_runs_dry(world: World) -> None:
    total = earn(world)
    world.turn()
    assert sweeps.settle(world.machine) >= 1
    before, asked = claims(world), senders_of_newest(world)[0]
    other = next(address for address in world.machine.keys.addresses if address != asked)
    with dry(world, asked):
        sweeps.sweep_transactions(world.machine)
        assert world.one("SELECT count(*) FROM txm.intent WHERE state = 'queued' AND kind = 'claim'") == 1
        sweeps.settle(world.machine)
        assert senders_of_newest(world) == [other, other]
        assert claims(world) == before
        world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_a_settlement_left_behind_by_its_claim_moves_to_a_key_with_gas(world: World) -> None:
    total = earn(world)
    world.turn()
    assert sweeps.settle(world.machine) >= 1
    asked = senders_of_newest(world)[0]
    other = next(address for address in world.machine.keys.addresses if address != asked)
    for step in (prepare.prepare, broadcast.broadcast, confirm.confirm):
        step(world.machine)
    world.mirror()
    assert claimed(world) == total
    newest = "SELECT state FROM txm.intent WHERE kind = 'settle' ORDER BY created_at DESC LIMIT 1"
    assert world.one(newest) == "queued"
    with dry(world, asked):
        sweeps.settle(world.machine)
        assert senders_of_newest(world) == [asked, other]
        world.until(lambda: world.one(newest) == "final", "the settlement is final")


def test_what_a_withdrawal_threatens_is_tried_again_within_ten_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = CapturingLogger()
    monkeypatch.setattr(settlement, "_log", told)
    earn(world)
    world.turn()
    assert sweeps.settle(world.machine) >= 1
    world.sql("UPDATE txm.intent SET state = 'failed' WHERE state = 'queued'")
    week = "UPDATE app.claim_try SET tries = 14, not_before = updated_at + interval '7 days' WHERE channel_id = :id"
    world.sql(week, id=world.lane().channel_id)
    world.clock.added += 601
    assert sweeps.settle(world.machine) == 0
    with withdrawing(world):
        assert sweeps.settle(world.machine) == 1
    assert ("error", "a withdrawal threatens receipts") in [(call.method_name, *call.args) for call in told.calls]
    world.turn()


def test_a_full_key_stops_no_claim(world: World) -> None:
    first, second = world.machine.keys.addresses[:2]
    earn(world)
    world.turn()
    full = """INSERT INTO txm.tx (id, chain_id, account, nonce, state)
              SELECT gen_random_uuid(), :chain, :account, 1000000 + n, 'accepted' FROM generate_series(1, 15) n"""
    world.sql(full, chain=world.ctx.deployment.chain_id, account=first)
    try:
        assert sweeps.settle(world.machine) >= 1
        assert senders_of_newest(world) == [second, second]
    finally:
        world.sql("DELETE FROM txm.tx WHERE nonce > 1000000")
