"""The keeper: ours and nothing else, all of ours, and none held up by another."""

from __future__ import annotations

import secrets

import msgspec
import pytest

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import PoolWithdraw
from aicp.rules.primitives import hex0x
from backend.deals import terms
from backend.deals.models import Deal
from backend.keeper import service as keeper
from backend.payments import clocks, pools
from backend.payments.schemas import PoolWithdrawIn
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

PRICE = 11 * USDC


@pytest.fixture(scope="module", autouse=True)
def staked(world: World) -> None:
    world.stake(world.agent)


def assigned(world: World) -> Deal:
    deal = world.deal(PRICE, deliver_within_seconds=120)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    return deal


def dust(world: World, like: Deal, number: int) -> list[bytes]:
    """Let a stranger fund escrows with the clocks of one of ours; return their ids."""
    escrow, before = world.ctx.deployment.escrow, {row[0] for row in world.sql("SELECT escrow_id FROM chain.escrow")}
    agreed = terms.from_json(world.terms_row(like).terms)
    world.send(world.rival.address, world.ctx.deployment.usdc, usdc_abi.encode_approve(escrow, 10 * USDC))
    for _ in range(number):
        strange = msgspec.structs.replace(agreed, client=world.rival.address, amount=10_000, salt=secrets.randbits(200))
        world.send(world.rival.address, escrow, escrow_abi.encode_fund(strange))
    world.turn()
    return [bytes(r[0]) for r in world.sql("SELECT escrow_id FROM chain.escrow") if r[0] not in before]


def asked(world: World, kind: str) -> list[str]:
    rows = world.sql("SELECT reference->>'deal_id' FROM txm.intent WHERE kind = :k ORDER BY created_at", k=kind)
    return [row[0] for row in rows]


def test_a_round_asks_for_all_of_ours_past_a_page_of_a_strangers_dust(world: World, monkeypatch) -> None:
    deals = [assigned(world) for _ in range(3)]
    strange = dust(world, deals[0], 5)
    assert len(strange) == 5
    monkeypatch.setattr(keeper, "AT_ONCE", 2)
    world.later(1200)
    sweeps.keep(world.machine)
    assert sorted(asked(world, "reclaim")) == sorted(str(deal.id) for deal in deals), "all, over two pages"
    keys = " ".join(row[0] for row in world.sql("SELECT idem_key FROM txm.intent"))
    assert not any(escrow_id.hex() in keys for escrow_id in strange)
    sweeps.keep(world.machine)
    assert len(asked(world, "reclaim")) == 3, "under way is under way"
    for deal in deals:
        world.until(lambda d=deal: world.state(d) == "expired", "expired")


def test_neither_a_clock_nor_a_row_that_fails_stops_the_others(world: World, monkeypatch) -> None:
    late, silent = assigned(world), assigned(world)
    world.submit(silent)
    world.until(lambda: world.state(silent) == "delivered", "delivered")
    second = assigned(world)
    world.later(1200)
    broken = hex0x(world.terms_row(late).escrow_id).removeprefix("0x")
    real = keeper.ask

    def ask(session, ctx, call):
        if broken in call.key:
            raise ZeroDivisionError
        return real(session, ctx, call)

    def due(session, ctx, after):
        raise ZeroDivisionError

    monkeypatch.setattr(keeper, "ask", ask)
    monkeypatch.setattr(clocks, "due", due)
    before = set(asked(world, "reclaim"))
    sweeps.keep(world.machine)
    assert set(asked(world, "reclaim")) - before == {str(second.id)}, "the row beside the broken one"
    assert str(silent.id) in asked(world, "release_after_challenge")
    monkeypatch.undo()
    sweeps.keep(world.machine)
    assert str(late.id) in asked(world, "reclaim"), "and the broken one once it is whole"
    for deal in (late, silent, second):
        world.until(lambda d=deal: world.state(d) in {"expired", "completed"}, "over")


def announce(world: World, units: int) -> None:
    nonce = int(world.one("SELECT nonce FROM chain.pool WHERE pool_id = :id", id=world.pool_id))
    message = PoolWithdraw(
        pool_id=world.pool_id, amount=units, cancel=False, nonce=nonce, valid_until=world.clock() + 600
    )
    given = PoolWithdrawIn(
        amount_units=units, nonce=nonce, valid_until=message.valid_until,
        signature=world.buyer.sign(message, world.ctx.domains.channel),
    )  # fmt: skip
    intent = world.write(lambda s: pools.withdraw(s, world.ctx, world.pool_id, world.buyer.address, given))
    world.until(lambda: world.intent_state(intent.id) == "final", "the withdrawal is announced")
    world.turn()


def finalizations(world: World) -> list[str]:
    return [
        row[0] for row in world.sql("SELECT state FROM txm.intent WHERE kind = 'pool_finalize' ORDER BY created_at")
    ]


DAY = 86_400 + 60


def test_a_withdrawal_asked_for_through_us_is_paid_out_once_it_is_due(world: World) -> None:
    world.deposit(5 * USDC)
    announce(world, 2 * USDC)
    sweeps.keep(world.machine)
    assert finalizations(world) == [], "its wait is not over"
    before = world.usdc_of(world.buyer.address)
    world.later(DAY)
    sweeps.keep(world.machine)
    sweeps.keep(world.machine)
    assert len(finalizations(world)) == 1, "once, however often the keeper looks"
    world.until(lambda: finalizations(world) == ["final"], "paid out")
    world.turn()
    world.clock.added += 700  # past every pause: what is done is not asked for again
    sweeps.keep(world.machine)
    assert len(finalizations(world)) == 1
    assert world.usdc_of(world.buyer.address) - before == 2 * USDC
    announce(world, 1 * USDC)
    world.later(DAY)
    sweeps.keep(world.machine)
    world.until(lambda: finalizations(world) == ["final", "final"], "the next withdrawal is another one")
    assert world.usdc_of(world.buyer.address) - before == 3 * USDC


def test_a_withdrawal_that_failed_is_asked_for_again_after_a_pause(world: World) -> None:
    announce(world, 500_000)
    world.later(DAY)
    before = finalizations(world)
    sweeps.keep(world.machine)
    world.sql("UPDATE txm.intent SET state = 'failed' WHERE kind = 'pool_finalize' AND state = 'queued'")
    sweeps.keep(world.machine)
    assert finalizations(world) == [*before, "failed"], "not at once"
    world.clock.added += 30
    sweeps.keep(world.machine)
    world.until(lambda: finalizations(world) == [*before, "failed", "final"], "the second try pays")


def test_what_agents_are_owed_holds_our_own_call_back(world: World) -> None:
    price = 400_000
    deal = world.deal(price)
    world.place(deal, world.order(deal, price))
    world.deliver(deal)
    world.judge(deal, accepted=True)
    left = world.one("SELECT balance_units FROM chain.pool WHERE pool_id = :id", id=world.pool_id)
    before = finalizations(world)
    announce(world, int(left))
    world.later(DAY)
    sweeps.keep(world.machine)
    assert finalizations(world) == before, "the agent's receipt is not claimed"
    paid = world.usdc_of(world.agent.address)
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: world.usdc_of(world.agent.address) - paid == price, "the agent is paid")
    world.turn()
    sweeps.keep(world.machine)
    world.until(lambda: finalizations(world) == [*before, "final"], "then the buyer gets the rest")
    assert world.one("SELECT balance_units FROM chain.pool WHERE pool_id = :id", id=world.pool_id) == 0


def test_a_withdrawal_announced_past_us_is_not_ours_to_pay_for(world: World) -> None:
    world.deposit(1 * USDC)
    data = channel_abi.encode_initiate_pool_withdraw(world.session_key.address, world.ctx.operator.address, USDC)
    world.send(world.buyer.address, world.ctx.deployment.payment_channel, data)
    world.turn()
    before = finalizations(world)
    world.later(DAY)
    sweeps.keep(world.machine)
    assert finalizations(world) == before
