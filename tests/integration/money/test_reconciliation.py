"""The ledger follows the chain's final blocks, and says where the two differ."""

from __future__ import annotations

from functools import partial

import pytest

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from backend.reconciliation import service as reconciliation
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

POOL = 2 * USDC


def held(world: World, account: str, owner: bytes) -> int:
    found = world.one(
        "SELECT coalesce(sum(delta_units), 0) FROM app.posting WHERE account = :account AND owner = :owner",
        account=account, owner=owner,
    )  # fmt: skip
    return int(found)


def entries(world: World) -> list[tuple[str, int]]:
    rows = world.sql("SELECT kind, count(*) AS n FROM app.ledger_entry GROUP BY kind ORDER BY kind")
    return [(row.kind, row.n) for row in rows]


def pay(world: World, units: int, ceiling: int) -> None:
    deal = world.deal(units)
    world.place(deal, world.order(deal, ceiling))
    world.deliver(deal)
    world.judge(deal, accepted=True)


def test_deposits_claims_and_withdrawals_are_posted_once_and_agree_with_the_chain(world: World) -> None:
    lane, contract = world.lane().channel_id, world.ctx.deployment.payment_channel
    world.deposit(POOL)
    pay(world, 400_000, 1_000_000)
    sweeps.follow_ledger(world.machine)
    assert held(world, "available", world.pool_id) == POOL - 400_000
    assert held(world, "owed", lane) == 400_000
    assert held(world, "chain", contract) == -POOL
    assert sweeps.check_ledger(world.machine) == 0

    def send(data: bytes) -> None:
        world.send(world.buyer.address, contract, data)

    key, operator = world.session_key.address, world.ctx.operator.address
    send(channel_abi.encode_initiate_pool_withdraw(key, operator, 600_000))
    world.mirror()
    assert sweeps.settle(world.machine) == 1, "what a withdrawal threatens is claimed at once"
    world.turn()
    sweeps.follow_ledger(world.machine)
    assert (held(world, "owed", lane), held(world, "claimed", lane)) == (0, 400_000)
    assert held(world, "available", world.pool_id) == POOL - 400_000, "what was drawn had been promised before"
    assert sweeps.check_ledger(world.machine) == 0
    world.later(world.ctx.constants.pool_withdraw_delay_seconds + 1)
    send(channel_abi.encode_finalize_pool_withdraw(world.buyer.address, key, operator))
    world.turn()
    sweeps.follow_ledger(world.machine)
    assert held(world, "available", world.pool_id) == POOL - 1_000_000
    assert held(world, "chain", contract) == -(POOL - 600_000)
    assert sweeps.check_ledger(world.machine) == 0
    before = entries(world)
    assert sweeps.follow_ledger(world.machine) == 0
    assert entries(world) == before


def test_a_block_that_is_not_final_is_not_posted(world: World) -> None:
    contract = world.ctx.deployment.payment_channel
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_approve(contract, 50_000))
    before = entries(world)
    world.send(
        world.buyer.address,
        contract,
        channel_abi.encode_deposit_pool(world.session_key.address, world.ctx.operator.address, 50_000),
    )
    world.mirror()
    number = world.one("SELECT max(block_number) FROM chain.pool_event")
    assert number > world.one("SELECT finalized_number FROM chain.cursor"), "the deposit is not final yet"
    sweeps.follow_ledger(world.machine)
    assert entries(world) == before
    world.turn()
    sweeps.follow_ledger(world.machine)
    assert dict(entries(world))["deposit"] == dict(before)["deposit"] + 1
    assert sweeps.check_ledger(world.machine) == 0


def test_a_follower_that_dies_before_its_commit_has_done_nothing(world: World) -> None:
    world.deposit(100_000)
    before, mark = entries(world), world.one("SELECT block_number FROM app.ledger_mark")

    class Died(Exception):
        pass

    def die(session: object) -> None:
        moved = reconciliation.follow(session, ctx=world.ctx, operator=world.ctx.operator.address)  # type: ignore[arg-type]
        assert moved > 0
        raise Died

    with pytest.raises(Died):
        world.write(die)
    assert (entries(world), world.one("SELECT block_number FROM app.ledger_mark")) == (before, mark)
    sweeps.follow_ledger(world.machine)
    assert dict(entries(world))["deposit"] == dict(before)["deposit"] + 1
    assert sweeps.check_ledger(world.machine) == 0


def test_figures_that_differ_are_told_and_left_alone(world: World) -> None:
    lane = world.lane().channel_id
    world.sql("UPDATE app.channel SET ceiling_units = ceiling_units + 7, earned_units = earned_units + 7")
    world.sql("UPDATE app.pool SET reserved_units = reserved_units + 5")
    try:
        found = {(one.what, one.owner): (one.ledger_units, one.other_units)
                 for one in world.read(reconciliation.differences)}  # fmt: skip
        reserved = held(world, "reserved", world.pool_id)
        earned = held(world, "owed", lane) + held(world, "claimed", lane)
        assert found == {
            ("pool_reserved", world.pool_id): (reserved, reserved + 5),
            ("channel_earned", lane): (earned, earned + 7),
        }
        assert sweeps.check_ledger(world.machine) == 2
    finally:
        world.sql("UPDATE app.channel SET ceiling_units = ceiling_units - 7, earned_units = earned_units - 7")
        world.sql("UPDATE app.pool SET reserved_units = reserved_units - 5")
    assert sweeps.check_ledger(world.machine) == 0


def test_two_followers_at_once_post_once(world: World) -> None:
    world.deposit(100_000)
    before = dict(entries(world))["deposit"]
    follow = partial(reconciliation.follow, ctx=world.ctx, operator=world.ctx.operator.address)

    def outer(session: object) -> int:
        first = follow(session)  # type: ignore[arg-type]
        assert first > 0
        assert world.write(follow) == 0, "the other one passes on"
        return first

    world.write(outer)
    assert dict(entries(world))["deposit"] == before + 1
