"""Whom a settlement has not paid is paid by a later one; whom the token refuses is left alone, and costs no gas."""

from __future__ import annotations

import pytest

from aicp.abi import usdc as usdc_abi
from backend.worker import sweeps
from scripts.devnet.keys import dev_accounts
from tests.fixtures.moneylab import USDC, World, person
from tests.fixtures.services import CHAIN_ID

PRICE = 400_000


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.deposit(5 * USDC)


def earn(world: World) -> None:
    """Let the agent earn a receipt."""
    deal = world.deal(PRICE)
    channel = world.sql("SELECT earned_units FROM app.channel WHERE channel_id = :id", id=world.lane().channel_id)
    world.place(deal, world.order(deal, PRICE + (int(channel[0][0]) if channel else 0)))
    world.deliver(deal)
    world.judge(deal, accepted=True)
    world.clock.added += 10


def settlements(world: World) -> int:
    return int(world.one("SELECT count(*) FROM txm.intent WHERE kind = 'settle'"))


def unpaid(world: World) -> int:
    row = world.sql(
        "SELECT claimed_units - settled_units FROM chain.receiver WHERE receiver = :r", r=world.agent.address
    )
    return int(row[0][0])


def test_a_receiver_whose_settlement_was_lost_is_paid_by_the_next_round_once(world: World) -> None:
    before = world.usdc_of(world.agent.address)
    earn(world)
    assert sweeps.settle(world.machine) == 1
    world.sql("UPDATE txm.intent SET state = 'failed' WHERE kind = 'settle' AND state = 'queued'")
    world.until(lambda: world.one("SELECT state FROM txm.intent WHERE kind = 'claim'") == "final", "the claim is final")
    world.turn()
    assert unpaid(world) == PRICE
    sweeps.settle(world.machine)
    assert settlements(world) == 1, "a pause first"
    world.clock.added += 61
    sweeps.settle(world.machine)
    world.clock.added += 3_600
    sweeps.settle(world.machine)
    assert settlements(world) == 2, "one is under way, however late"
    world.until(lambda: world.usdc_of(world.agent.address) - before == PRICE, "the agent is paid")
    world.turn()
    assert unpaid(world) == 0
    world.clock.added += 3_600
    sweeps.settle(world.machine)
    assert settlements(world) == 2


def test_a_receiver_the_token_refuses_is_left_alone_and_paid_once_it_takes_money(world: World) -> None:
    owner = person(dev_accounts(CHAIN_ID).deployer.key).address
    token = world.ctx.deployment.usdc
    before = world.usdc_of(world.agent.address)
    world.send(owner, token, usdc_abi.encode_blacklist(world.agent.address))
    try:
        earn(world)
        assert sweeps.settle(world.machine) == 1
        world.turn(rounds=3)
        assert unpaid(world) == PRICE, "claimed, and skipped by the settlement"
        asked = settlements(world)
        waits = []
        for _ in range(5):
            waits.append(world.sql("SELECT tries, not_before - updated_at FROM app.payout")[0])
            world.later(int(waits[-1][1].total_seconds()) + 1)
            sweeps.settle(world.machine)
            sweeps.settle(world.machine)
        assert settlements(world) == asked, "a simulation costs no gas"
        assert [tries for tries, _ in waits] == [1, 2, 3, 4, 5], "one look after each pause"
        assert [wait.total_seconds() for _, wait in waits] == [60, 120, 240, 480, 960]
        earn(world)
        assert sweeps.settle(world.machine) == 1, "what he earns is claimed all the same"
        world.turn(rounds=3)
        assert settlements(world) == asked, "and not settled in vain"
        assert unpaid(world) == 2 * PRICE
    finally:
        world.send(owner, token, usdc_abi.encode_un_blacklist(world.agent.address))
    world.later(8 * 86_400)
    sweeps.settle(world.machine)
    assert settlements(world) == asked + 1
    world.until(lambda: world.usdc_of(world.agent.address) - before == 2 * PRICE, "the agent is paid")
