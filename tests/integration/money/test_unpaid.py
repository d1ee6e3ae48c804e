"""A deal nobody has paid: its buyer can take it back, it lapses with its bid, and neither touches paid money."""

from __future__ import annotations

import pytest

from aicp.rules.primitives import Finality
from backend.deals import service
from backend.deals.models import Deal
from backend.errors import AuthorizationLive, NotFound, SignatureExpired, WrongState
from backend.payments import clocks
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.stake(world.agent)
    world.deposit(5 * USDC)


def call_off(world: World, deal: Deal, who: bytes | None = None) -> None:
    world.write(lambda s: service.call_off(s, world.ctx, who or world.buyer.address, deal.task_id))


def offered(world: World, deal: Deal) -> bool:
    found = world.read(lambda s: service.read_deal(s, world.ctx, deal.id, world.buyer.address, Finality.SEEN))
    return any(action.name == "cancel" and action.allowed for action in found.actions)


def live(world: World, deal: Deal) -> bool:
    return bool(world.one("SELECT live FROM app.deal WHERE id = :id", id=deal.id))


def test_an_order_that_was_not_placed_is_called_off_and_the_slot_is_free(world: World) -> None:
    deal = world.deal(300_000)
    assert offered(world, deal)
    with pytest.raises(NotFound):
        call_off(world, deal, world.agent.address)
    given = world.order(deal, 300_000)
    call_off(world, deal)
    assert (world.state(deal), live(world, deal), offered(world, deal)) == ("cancelled", False, False)
    with pytest.raises(WrongState):
        world.place(deal, given)
    with pytest.raises(WrongState):
        call_off(world, deal)


def test_an_escrow_is_called_off_until_it_may_be_paid(world: World) -> None:
    early = world.deal(12 * USDC)
    assert offered(world, early)
    call_off(world, early)
    assert (world.state(early), live(world, early)) == ("cancelled", False)
    deal = world.deal(12 * USDC)
    world.accept(deal)
    assert offered(world, deal)
    world.pay(deal)
    assert not offered(world, deal)
    with pytest.raises(WrongState):
        call_off(world, deal)
    world.sql("UPDATE app.task SET state = 'awaiting_payment' WHERE id = :id", id=deal.task_id)
    with pytest.raises(AuthorizationLive):
        call_off(world, deal)
    assert live(world, deal)
    world.sql("UPDATE app.task SET state = 'funding' WHERE id = :id", id=deal.task_id)
    world.until(lambda: world.state(deal) == "assigned", "assigned")


def test_an_acceptance_that_runs_out_before_the_buyer_can_pay_is_not_taken(world: World) -> None:
    """Else an agent keeps a task for ever: its terms lapse at once, are composed anew, and it accepts again."""
    deal = world.deal(12 * USDC)
    with pytest.raises(SignatureExpired):
        world.accept(deal, lifetime=2)
    assert world.state(deal) == "awaiting_acceptance"
    world.accept(deal)
    assert world.state(deal) == "awaiting_payment"
    call_off(world, deal)


def test_an_order_that_never_came_lapses_with_its_bid(world: World) -> None:
    deal = world.deal(200_000)
    sweeps.keep(world.machine)
    assert world.state(deal) == "awaiting_payment"
    world.later(3_700)
    with pytest.raises(SignatureExpired):
        world.place(deal, world.order(deal, 5 * USDC))
    sweeps.keep(world.machine)
    assert (world.state(deal), live(world, deal)) == ("expired", False)


def test_orders_that_fail_do_not_hide_the_ones_behind_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "AT_ONCE", 1)
    deals = [world.deal(100_000) for _ in range(3)]
    for n, deal in enumerate(deals, start=1):
        world.place(deal, world.order(deal, n * 100_000))
    world.later(700)
    first = min(world.order_hash(deal) for deal in deals)
    act = clocks.run_out

    def fails(session, ctx, due):
        if due.order_hash == first:
            raise ArithmeticError
        return act(session, ctx, due)

    monkeypatch.setattr(clocks, "run_out", fails)
    sweeps.keep(world.machine)
    assert sorted(world.state(deal) for deal in deals) == ["assigned", "expired", "expired"]
    monkeypatch.undo()
    sweeps.keep(world.machine)
    assert {world.state(deal) for deal in deals} == {"expired"}
