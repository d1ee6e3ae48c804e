"""Dashboards on real contracts: figures of both sides, what waits until when, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from aicp.rules.primitives import checksum
from aicp.rules.profiles import Profile
from backend.dashboard import service
from backend.dashboard.schemas import AgentDashboardOut, BuyerDashboardOut
from backend.db.times import unix
from backend.errors import NotFound
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

T = TypeVar("T")


def counted(world: World, read: Callable[[Session], T]) -> tuple[T, int]:
    """Return what a read gives, and how many statements it took."""
    asked: list[str] = []

    def noted(*statement: object) -> None:
        asked.append(str(statement[2]))

    def run(session: Session) -> T:
        event.listen(session.get_bind(), "before_cursor_execute", noted)
        try:
            return read(session)
        finally:
            event.remove(session.get_bind(), "before_cursor_execute", noted)

    return world.read(run), len(asked)


def of_buyer(world: World) -> tuple[BuyerDashboardOut, int]:
    return counted(world, lambda s: service.of_buyer(s, world.ctx, world.buyer.address))


def of_agent(world: World) -> tuple[AgentDashboardOut, int]:
    return counted(world, lambda s: service.of_agent(s, world.ctx, "tabula", world.agent.address))


def test_an_account_that_has_done_nothing_has_an_empty_dashboard(world: World) -> None:
    world.register(world.agent, Profile(slug="tabula", name="Tabula", description="", capabilities=["ocr"]))
    buyer, agent = of_buyer(world)[0], of_agent(world)[0]
    assert (buyer.pool_units, buyer.escrow_units, buyer.spent_30_units, buyer.tasks, buyer.waiting) == (0, 0, 0, [], [])
    assert len(buyer.days) == len(agent.days) == 30
    assert (agent.owed_units, agent.settles_at, agent.win_rate_bps, agent.breaker) == (0, None, None, None)
    assert (agent.standing.score, agent.standing.epoch, agent.capacity) == (2_000, None, 10)
    assert agent.standing.last_failure is None
    for account, name in ((world.buyer.address, "tabula"), (world.agent.address, "nobody-here")):
        with pytest.raises(NotFound):
            world.read(lambda s, a=account, n=name: service.of_agent(s, world.ctx, n, a))
    by_address = world.read(
        lambda s: service.of_agent(s, world.ctx, checksum(world.agent.address), world.agent.address)
    )
    assert by_address == agent


def test_both_sides_see_where_the_money_is_and_what_waits_until_when(world: World) -> None:
    world.deposit(5 * USDC)
    world.stake(world.agent)
    paid = world.deal(400_000)
    world.place(paid, world.order(paid, 400_000))
    world.deliver(paid)
    world.judge(paid, accepted=True)
    released = world.deal(20 * USDC)
    world.accept(released)
    world.pay(released)
    world.until(lambda: world.state(released) == "assigned", "assigned")
    world.submit(released)
    world.until(lambda: world.state(released) == "delivered", "delivered")
    world.release(released)
    world.until(lambda: world.state(released) == "completed", "completed")

    ordered = world.deal(600_000)
    world.place(ordered, world.order(ordered, 1_000_000))
    in_review = world.deal(300_000)
    world.place(in_review, world.order(in_review, 1_300_000))
    world.deliver(in_review)
    held = world.deal(12 * USDC)
    world.accept(held)
    world.pay(held)
    world.until(lambda: world.state(held) == "assigned", "the second escrow is there")
    unpaid = world.deal(700_000)
    unsigned = world.deal(15 * USDC)
    undecided = world.post(USDC, auction_seconds=30)
    world.bid(undecided, world.agent, 900_000)
    world.bid(world.post(USDC), world.agent, 800_000)  # its auction goes on
    lost = world.post(USDC)
    world.bid(lost, world.agent, 900_000)
    world.award(lost, world.bid(lost, world.rival, 500_000))
    world.clock.added += 40

    buyer, few = of_buyer(world)
    assert (buyer.pool_units, buyer.pool_reserved_units) == (5 * USDC, 900_000)
    assert buyer.pool_free_units == 5 * USDC - 400_000 - 900_000
    assert (buyer.escrow_units, buyer.escrows, buyer.collectable_units) == (12 * USDC, 1, 0)
    assert buyer.spent_7_units == buyer.spent_30_units == 20_400_000
    assert [(one.deals, one.units) for one in buyer.days if one.deals] == [(2, 20_400_000)]
    assert {one.state.value: one.count for one in buyer.tasks} == {
        "completed": 2, "assigned": 2, "delivered": 1, "awaiting_payment": 2, "awaiting_acceptance": 1, "open": 2,
    }  # fmt: skip
    steps = {one.task_id: one for one in buyer.waiting}
    assert {one.step for one in buyer.waiting} == {"award", "pay", "review"}
    assert (steps[unpaid.task_id].step, steps[unpaid.task_id].units) == ("pay", 700_000)
    assert (steps[undecided.id].step, steps[undecided.id].due, steps[undecided.id].deal_id) == ("award", None, None)
    evaluate_by = world.one("SELECT evaluate_by FROM app.micro_order WHERE deal_id = :id", id=in_review.id)
    review = steps[in_review.task_id]
    assert review.due is not None
    assert (review.step, unix(review.due)) == ("review", evaluate_by)
    due = [one.due for one in buyer.waiting if one.due is not None]
    assert due == sorted(due)
    assert [one.due for one in buyer.waiting][len(due) :] == [None]

    agent, several = of_agent(world)
    fee = 20 * USDC * world.ctx.constants.fee_bps // 10_000
    assert agent.earned_7_units == agent.earned_30_units == 20_400_000 - fee
    assert agent.collectable_units == 20 * USDC - fee
    assert (agent.owed_units, agent.owed_channels) == (400_000, 1)
    assert agent.settles_at is not None
    waits = unix(agent.settles_at) - world.ctx.constants.settle_age_seconds
    assert abs(waits - world.clock()) < 3600, "from the receipt on"
    assert (agent.running, agent.win_rate_bps) == (3, agent.bids_won * 10_000 // agent.bids_decided)
    assert (agent.bids_decided, agent.bids_won) == (8, 7)
    todo = {one.task_id: one for one in agent.waiting}
    assert {one.step for one in agent.waiting} == {"accept", "deliver"}
    assert todo[unsigned.task_id].step == "accept"
    assert {todo[one.task_id].step for one in (ordered, held)} == {"deliver"}
    assert todo[held.task_id].due is not None

    for _ in range(3):
        world.deal(100_000)
        world.bid(world.post(USDC, auction_seconds=30), world.agent, USDC)
    world.clock.added += 40
    more, same = of_buyer(world)
    assert len(more.waiting) == len(buyer.waiting) + 6
    assert same == few <= 8, "a dashboard asks as often whatever it shows"
    assert of_agent(world)[1] == several <= 16
    world.turn()
    assert of_agent(world)[0].earned_30_units == agent.earned_30_units
    assert of_agent(world)[0].standing.last_failure is None


def test_an_agent_that_missed_a_delivery_sees_at_once_what_would_redeem_it(world: World) -> None:
    _, asked = of_agent(world)
    deal = world.deal(11 * USDC, deliver_within_seconds=120)
    world.accept(deal)
    world.pay(deal)
    world.until(lambda: world.state(deal) == "assigned", "assigned")
    world.later(1_200)
    sweeps.keep(world.machine)
    world.until(lambda: world.state(deal) == "expired", "expired")
    agent, same = of_agent(world)
    failure = agent.standing.last_failure
    assert failure is not None
    assert (failure.outcome, failure.amount_units, failure.redemption_bps) == ("missed", 11 * USDC, None)
    assert failure.escrow_id == world.one("SELECT escrow_id FROM app.escrow_terms WHERE deal_id = :d", d=deal.id)
    assert abs(unix(failure.closed_at) - world.clock()) < 60
    assert same == asked
