"""Both ways of paying, from award to the agent's money, on the real contracts."""

from __future__ import annotations

from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World


def test_an_escrow_deal_pays_the_agent_price_minus_fee(world: World) -> None:
    world.stake(world.agent)
    before, paid = world.ledger_of(world.agent.address), world.usdc_of(world.buyer.address)
    deal = world.deal(25 * USDC)
    assert world.state(deal) == "awaiting_acceptance"
    world.accept(deal)
    assert world.state(deal) == "awaiting_payment"
    world.pay(deal)
    assert world.state(deal) == "funding"
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.submit(deal)
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    world.release(deal)
    world.until(lambda: world.state(deal) == "completed", "completed")
    assert world.ledger_of(world.agent.address) - before == 25 * USDC * 975 // 1000
    assert paid - world.usdc_of(world.buyer.address) == 25 * USDC
    assert world.one("SELECT state FROM app.authorization WHERE deal_id = :id", id=deal.id) == "used"
    assert world.one("SELECT live FROM app.deal WHERE id = :id", id=deal.id) is False
    assert world.told(world.buyer.address, deal) == ["payment_wanted", "funded", "delivered", "released"]
    assert world.told(world.agent.address, deal) == ["awarded", "acceptance_wanted", "funded", "released"]


def test_silence_after_delivery_releases_by_the_keeper(world: World) -> None:
    deal = world.deal(12 * USDC)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.submit(deal)
    world.until(lambda: world.state(deal) == "delivered", "delivered")
    sweeps.keep(world.machine)
    world.turn()
    assert world.state(deal) == "delivered", "the challenge period still runs"
    assert "evaluation_ending" not in world.told(world.buyer.address, deal)
    world.later(world.ctx.constants.challenge_period_seconds - 10)
    sweeps.keep(world.machine)
    sweeps.keep(world.machine)
    assert world.told(world.buyer.address, deal)[2:] == ["delivered", "evaluation_ending"]
    world.later(20)
    sweeps.keep(world.machine)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "completed", "completed")
    assert world.one("SELECT count(*) FROM txm.intent WHERE kind = 'release_after_challenge'") == 1


def test_a_missed_delivery_gives_the_money_back(world: World) -> None:
    held = world.usdc_of(world.buyer.address)
    deal = world.deal(11 * USDC, deliver_within_seconds=120)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    ledger = world.ledger_of(world.buyer.address)
    world.later(1200)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "expired", "expired")
    assert held - world.usdc_of(world.buyer.address) == 11 * USDC
    assert world.ledger_of(world.buyer.address) - ledger >= 11 * USDC, "price back, and stake of the agent on top"


def test_a_pool_order_ends_as_a_receipt_that_is_claimed_and_settled(world: World) -> None:
    world.deposit(5 * USDC)
    price = 400_000
    deal = world.deal(price)
    assert world.state(deal) == "awaiting_payment"
    world.place(deal, world.order(deal, price))
    assert world.state(deal) == "assigned"
    world.deliver(deal)
    world.judge(deal, accepted=True)
    assert world.state(deal) == "completed"
    before = world.usdc_of(world.agent.address)
    world.clock.added += 10
    assert sweeps.settle(world.machine) == 1
    assert sweeps.settle(world.machine) == 0, "what is under way is not claimed twice"
    world.until(lambda: world.usdc_of(world.agent.address) - before == price, "the agent is paid")
    world.turn()
    claimed = world.one(
        "SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id", id=world.lane().channel_id
    )
    assert claimed == price
    assert sweeps.settle(world.machine) == 0


def test_silence_on_a_delivered_order_is_acceptance_and_a_missed_delivery_is_void(world: World) -> None:
    earned = world.one("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=world.lane().channel_id)
    silent, missed = world.deal(300_000), world.deal(200_000)
    world.place(silent, world.order(silent, int(earned) + 300_000))
    world.place(missed, world.order(missed, int(earned) + 500_000))
    world.deliver(silent)
    world.later(700)
    sweeps.keep(world.machine)
    assert world.state(silent) == "completed"
    assert world.state(missed) == "expired"
    pool = world.sql("SELECT reserved_units, earned_units FROM app.pool WHERE pool_id = :id", id=world.pool_id)[0]
    assert (int(pool[0]), int(pool[1])) == (0, int(earned) + 300_000)
