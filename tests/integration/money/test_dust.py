"""Receipts worth less than their gas: a withdrawal has them claimed inside a day's allowance, behind all others."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ColumnElement

from backend.domain.settlement import DUST_ROW_GAS
from backend.payments.models import Channel
from backend.settlement import dust, repo
from backend.settlement import service as settlement
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World
from tests.integration.money.test_claims import claimed, crowd, earn, frugal, withdrawing

DEAR = 10**13
"""What one native coin costs where a receipt of 0.40 USDC is worth less than its gas."""


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.deposit(50 * USDC)


def spent(world: World, address: bytes) -> int:
    return int(world.one("SELECT coalesce(sum(gas), 0) FROM app.relayed_gas WHERE address = :a", a=address))


def told(world: World) -> list[str]:
    rows = world.sql("SELECT detail FROM app.alarm WHERE kind = 'dust_unclaimed' AND cleared_at IS NULL")
    return [str(row[0]) for row in rows]


def test_threatened_dust_waits_once_its_owners_day_is_used_up_and_somebody_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = earn(world)
    machine = frugal(world, native_price_units=DEAR)
    before = spent(world, world.buyer.address)
    with withdrawing(world):
        with monkeypatch.context() as patched:
            patched.setattr(world.ctx.settings, "relayed_gas_per_day", before + DUST_ROW_GAS - 1)
            assert sweeps.settle(machine) == 0, "no room for one more row"
            assert ["0.40 USDC of receipts in 1 channels" in detail for detail in told(world)] == [True]
            patched.setattr(world.ctx.settings, "relayed_gas_per_day", before + DUST_ROW_GAS)
            assert sweeps.settle(machine) == 1
        assert spent(world, world.buyer.address) == before + DUST_ROW_GAS
        assert told(world) == []
        world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_the_day_of_all_owners_bounds_dust_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    total = earn(world)
    machine = frugal(world, native_price_units=DEAR)
    with withdrawing(world):
        with monkeypatch.context() as patched:
            patched.setattr(world.ctx.settings, "facilitated_gas_per_day", DUST_ROW_GAS - 1)
            assert sweeps.settle(machine) == 0
        assert sweeps.settle(machine) == 1
        world.until(lambda: claimed(world) == total, "the claim is on chain")


def test_what_is_worth_its_gas_goes_before_any_amount_of_dust(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    earn(world)

    def all_threatened() -> ColumnElement[bool]:
        return Channel.earned_units > 0

    def chosen(session: Any) -> list[settlement.Candidate]:
        policy = settlement._policy(world.machine, price)
        return dust.granted(session, world.ctx, settlement.candidates(session, world.ctx, policy))

    price = world.machine.rpc.head().base_fee_wei + world.machine.rpc.priority_fee()
    limit = spent(world, world.rival.address) + 3 * DUST_ROW_GAS + 1
    with crowd(world, 800, 1), monkeypatch.context() as patched:
        patched.setattr(repo, "_threatened", all_threatened)
        patched.setattr(world.ctx.settings, "relayed_gas_per_day", limit)
        found = world.machine.db.read(chosen)
        assert [one.dust for one in found] == [False, True, True, True]
        assert found[0].row.channel_id == world.lane().channel_id
        assert [[one.dust for one in rows] for rows in settlement.batches(found[::-1])] == [[False], [True] * 3]
        patched.setattr(world.ctx.settings, "relayed_gas_per_day", limit - 3 * DUST_ROW_GAS)
        assert len(world.machine.db.read(chosen)) == 1
    assert sweeps.settle(world.machine) == 1
