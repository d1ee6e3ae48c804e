"""What endangers receipts: told while it lasts, beaten in time, and nothing lost when workers die or a row is bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aicp.abi import payment_channel as abi
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.errors import NotFound
from backend.network import service as network
from backend.network.schemas import StatusOut
from backend.payments.errors import ClaimNotWorth, NothingToClaim, RetiredOperator
from backend.payments.schemas import ClaimWishOut
from backend.settlement import wishes
from backend.txm.machine import Machine
from backend.worker import sweeps
from backend.worker.runtime import close_machine
from tests.fixtures.moneylab import USDC, Person, World

PRICE = 400_000
HOUR = 3600


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.deposit(20 * USDC)


@pytest.fixture(autouse=True)
def _settled(world: World) -> Iterator[None]:
    """Every test leaves nothing unclaimed behind."""
    yield
    world.later(world.ctx.constants.settle_age_seconds)
    sweeps.settle(world.machine)
    world.turn()


def earn(world: World, agent: Person | None = None) -> bytes:
    """Let an agent earn a receipt; return its channel."""
    channel = world.lane(agent).channel_id
    known = world.sql("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=channel)
    deal = world.deal(PRICE, agent)
    world.place(deal, world.order(deal, PRICE + (int(known[0][0]) if known else 0)))
    world.deliver(deal)
    world.judge(deal, accepted=True)
    return channel


def claimed(world: World, channel: bytes) -> int:
    rows = world.sql("SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id", id=channel)
    return int(rows[0][0]) if rows else 0


def earned(world: World, channel: bytes) -> int:
    return int(world.one("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=channel))


def alarms(world: World) -> dict[str, str]:
    """Open alarms: kind and detail."""
    return {row[0]: row[1] for row in world.sql("SELECT kind, detail FROM app.alarm WHERE cleared_at IS NULL")}


def status(world: World) -> StatusOut:
    return world.read(lambda s: network.status(s, world.ctx))


def frugal(world: World, settle_gas_multiple: int) -> Machine:
    """A worker of a network where a claim must be worth so many times its gas: a row costs about 75,000 units here."""
    constants = replace(world.ctx.constants, settle_gas_multiple=settle_gas_multiple)
    ctx = replace(world.ctx, network=replace(world.ctx.network, constants=constants))
    return replace(world.machine, ctx=ctx)


def test_a_withdrawal_against_receipts_is_told_and_beaten_while_settlement_stood_still(world: World) -> None:
    """Settlement is down while a buyer takes all there is; it comes back an hour before the end, and nobody loses."""
    channel = earn(world)
    total = earned(world, channel)
    key, operator, target = world.session_key.address, world.ctx.operator.address, world.ctx.deployment.payment_channel
    left = int(world.one("SELECT balance_units FROM chain.pool WHERE pool_id = :id", id=world.pool_id))
    paid, back = world.usdc_of(world.agent.address), world.usdc_of(world.buyer.address)
    world.send(world.buyer.address, target, abi.encode_initiate_pool_withdraw(key, operator, left))
    world.mirror()
    sweeps.keep(world.machine)
    assert "0.40 USDC of receipts in 1 channels" in alarms(world)["withdrawal_unclaimed"]
    assert " UTC" in alarms(world)["withdrawal_unclaimed"], "with the deadline"
    told = [alarm for alarm in status(world).alarms if alarm.kind == "withdrawal_unclaimed"]
    assert [alarm.subject for alarm in told] == [hex0x(world.pool_id)]
    assert "USDC" not in told[0].sentence, "the figures are the operator's"

    world.later(23 * HOUR)
    sweeps.keep(world.machine)
    assert "withdrawal_unclaimed" in alarms(world), "as long as it lasts"
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: claimed(world, channel) == total, "the claim lands before the delay is over")
    world.turn()
    sweeps.follow_ledger(world.machine)
    sweeps.keep(world.machine)
    assert "withdrawal_unclaimed" not in alarms(world), "over once it is final"
    world.later(2 * HOUR)
    world.send(world.buyer.address, target, abi.encode_finalize_pool_withdraw(world.buyer.address, key, operator))
    world.turn()
    assert world.usdc_of(world.agent.address) - paid == PRICE, "loss 0"
    assert world.usdc_of(world.buyer.address) - back == left - PRICE
    world.deposit(20 * USDC)


def test_a_worker_that_dies_with_a_batch_partly_mined_leaves_the_chains_totals(world: World) -> None:
    """The claim is mined and its settlement lost; the next worker pays once and claims nothing twice."""
    channels = [earn(world), earn(world, world.rival)]
    world.clock.added += world.ctx.constants.settle_age_seconds
    before = [world.usdc_of(world.agent.address), world.usdc_of(world.rival.address)]
    world.chain.rpc("evm_setAutomine", False)
    try:
        assert sweeps.settle(world.machine) == 2
        for _ in range(3):
            sweeps.sweep_transactions(world.machine)
        sent = world.sql(
            "SELECT i.kind, a.hash FROM txm.intent i JOIN txm.tx t ON t.intent_id = i.id"
            " JOIN txm.attempt a ON a.tx_id = t.id WHERE i.kind IN ('claim', 'settle') AND i.state = 'sent'"
        )
        assert {row[0] for row in sent} == {"claim", "settle"}
        lost = next(bytes(row[1]) for row in sent if row[0] == "settle")
        world.chain.rpc("anvil_dropTransaction", hex0x(lost))
        world.chain.mine(1)
    finally:
        world.chain.rpc("evm_setAutomine", True)
    dead, world.machine = world.machine, world.new_machine()
    close_machine(dead)
    world.mirror()
    assert [claimed(world, channel) for channel in channels] == [earned(world, channel) for channel in channels]
    assert [world.usdc_of(world.agent.address), world.usdc_of(world.rival.address)] == before, "not paid yet"
    assert sweeps.settle(world.machine) == 0, "nothing is claimed twice"
    world.clock.added += 60
    world.until(
        lambda: (
            sweeps.settle(world.machine) == 0
            and world.usdc_of(world.agent.address) == before[0] + PRICE
            and world.usdc_of(world.rival.address) == before[1] + PRICE
        ),
        "both are paid, once",
    )
    world.turn()
    sweeps.follow_ledger(world.machine)
    assert sweeps.check_ledger(world.machine) == 0, "the totals are the chain's"


def test_a_bad_row_is_left_out_and_the_others_are_settled(world: World) -> None:
    """Without the simulation before it the bad row would be part of the batch, and skipped on chain again and again."""
    good, bad = earn(world), earn(world, world.rival)
    kept = world.one(
        "SELECT voucher_signature FROM app.receipt WHERE channel_id = :id ORDER BY total_claimed_units DESC", id=bad
    )
    change = "UPDATE app.receipt SET voucher_signature = :signature WHERE channel_id = :id AND voucher_signature = :old"
    broken = bytes(kept[:-1]) + bytes([55 - kept[-1]])
    world.sql(change, signature=broken, id=bad, old=kept)
    rows = int(world.one("SELECT count(*) FROM app.claim_row WHERE channel_id = :id", id=bad))
    world.clock.added += world.ctx.constants.settle_age_seconds
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: claimed(world, good) == earned(world, good), "the good row is claimed")
    assert int(world.one("SELECT count(*) FROM app.claim_row WHERE channel_id = :id", id=bad)) == rows
    assert claimed(world, bad) < earned(world, bad)
    for _ in range(2):
        world.clock.added += 8 * 86_400
        world.turn()
        sweeps.settle(world.machine)
    sweeps.keep(world.machine)
    assert "in a row" in alarms(world)["claim_failed"]
    world.sql(change, signature=kept, id=bad, old=broken)
    world.later(8 * 86_400)
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: claimed(world, bad) == earned(world, bad), "whole again, it is claimed")
    sweeps.keep(world.machine)
    assert "claim_failed" not in alarms(world)


def test_an_agent_may_ask_to_be_claimed_and_is_where_it_is_worth_the_gas(world: World) -> None:
    channel = earn(world)
    dear, machine = frugal(world, 10), frugal(world, 1)

    def ask(ctx: Context) -> ClaimWishOut:
        return world.write(lambda s: wishes.ask(s, ctx, channel, world.agent.address, gas_price_wei=10**9))

    with pytest.raises(ClaimNotWorth) as refused:
        ask(dear.ctx)
    assert "claimWithSignature" in refused.value.what_to_do
    assert int(refused.value.extra["needed_units"]) > int(refused.value.extra["unclaimed_units"]) == PRICE
    with pytest.raises(NotFound):
        world.write(lambda s: wishes.ask(s, world.ctx, channel, world.rival.address, gas_price_wei=None))
    with pytest.raises(RetiredOperator) as gone:
        ask(replace(world.ctx, signers=()))
    assert "claimWithSignature" in gone.value.what_to_do
    assert sweeps.settle(machine) == 0, "not old enough"
    assert ask(machine.ctx).unclaimed_units == PRICE
    assert sweeps.settle(dear) == 0, "gas has become dear meanwhile: it waits"
    assert sweeps.settle(machine) == 1, "at once, whatever its age"
    world.until(lambda: claimed(world, channel) == earned(world, channel), "claimed")
    with pytest.raises(NothingToClaim):
        ask(machine.ctx)
    earn(world)
    assert sweeps.settle(machine) == 0, "a wish is about what was earned when it was asked"


def test_claims_no_key_can_pay_for_are_told(world: World) -> None:
    channel = earn(world)
    world.clock.added += world.ctx.constants.settle_age_seconds
    keys = world.machine.keys.addresses
    balances = {key: world.chain.rpc("eth_getBalance", hex0x(key), "latest") for key in keys}
    for key in keys:
        world.chain.rpc("anvil_setBalance", hex0x(key), hex(1000))
    assert sweeps.settle(world.machine) == 0
    assert " wei waits" in alarms(world)["claim_without_key"]
    for key, balance in balances.items():
        world.chain.rpc("anvil_setBalance", hex0x(key), balance)
    assert sweeps.settle(world.machine) == 1
    assert "claim_without_key" not in alarms(world)
    world.until(lambda: claimed(world, channel) == earned(world, channel), "claimed")


def test_a_ledger_that_differs_and_a_chain_without_final_blocks_are_told(world: World) -> None:
    sweeps.follow_ledger(world.machine)
    assert sweeps.check_ledger(world.machine) == 0
    world.sql("UPDATE app.pool SET reserved_units = reserved_units + 7 WHERE pool_id = :id", id=world.pool_id)
    assert sweeps.check_ledger(world.machine) == 1
    assert "pool_reserved" in alarms(world)["ledger_mismatch"]
    world.sql("UPDATE app.pool SET reserved_units = reserved_units - 7 WHERE pool_id = :id", id=world.pool_id)
    assert sweeps.check_ledger(world.machine) == 0
    assert "ledger_mismatch" not in alarms(world)

    sweeps.keep(world.machine)
    assert "finality_stalled" not in alarms(world)
    assert status(world).off_chain_accepting
    world.clock.added += world.ctx.constants.max_finality_age_seconds + 60
    sweeps.keep(world.machine)
    assert "minutes old" in alarms(world)["finality_stalled"]
    assert not status(world).off_chain_accepting
    world.later(0)
    sweeps.keep(world.machine)
    assert "finality_stalled" not in alarms(world)
