"""A sealed auction of two agents, one of whom takes a bid back: hidden, shown, awarded by the rule, paid on the chain.

Every step by the SDK over the real API, with contracts, mirror and workers; the award is computed from signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aicp.client import AgentActions, BuyerActions, ClientError, Market, ProblemError, models
from aicp.client.verify_award import check_bids, check_record
from aicp.rules.auctions import AuctionOptions
from aicp.rules.awarding import DEFAULT_WEIGHTS
from backend.worker import sweeps
from tests.fixtures.disputelab import Court
from tests.fixtures.journeys import Town
from tests.fixtures.moneylab import USDC, Person, World
from tests.fixtures.services import create_database, start_anvil

RESERVE, HIGH, LOW = 20 * USDC, 15 * USDC, 12 * USDC
AUCTION, REVEAL = 60, 120
FEE_BPS = 250


@pytest.fixture
def town(postgres: object, tmp_path: Path) -> Iterator[Town]:
    chain = start_anvil()
    world = World(chain, create_database(postgres), tmp_path / "deployment")
    for agent in (world.agent, world.rival):
        world.stake(agent, 100 * USDC)
    made = Town(world, tmp_path / "town", Court(world))
    made.folder.mkdir()
    yield made
    made.close()
    world.close()
    chain.close()


def post(town: Town) -> models.Task:
    """Let the buyer post a task with sealed bids and the published rule."""

    async def step(market: Market) -> models.Task:
        return await BuyerActions(market).post_task(
            title="Profile the sales", description="All columns.", capability="data_processing",
            budget_units=25 * USDC, auction_seconds=AUCTION,
            auction=AuctionOptions(weights=DEFAULT_WEIGHTS, reserve_units=RESERVE, reveal_seconds=REVEAL),
        )  # fmt: skip

    return town.act(town.world.buyer, step)


def commit(town: Town, task: models.Task, agent: Person, units: int) -> models.Commit:
    assert task.reveal_ends_at is not None
    until = int(task.reveal_ends_at.timestamp()) + 60

    async def step(market: Market) -> models.Commit:
        return await AgentActions(market).commit_bid(task, amount_units=units, eta_seconds=60, valid_until=until)

    return town.act(agent, step)


def show(town: Town, task: models.Task, agent: Person, made: models.Commit) -> models.Bid:
    return town.act(agent, lambda market: AgentActions(market).reveal_bid(task, made.bid_hash))


async def recomputed(market: Market, task: models.Task) -> bytes:
    """Check the award from signatures alone; return who has won."""
    chain, task = await market.chain(), await market.task(task.id)
    bids, commits, [award] = await market.bids(task.id), await market.commits(task.id), await market.awards(task.id)
    check_bids(task, bids, award, chain, commits)
    check_record(task, bids, award, chain, await market.award_record(task.id), commits=commits, earlier=[])
    return next(bid.agent for bid in bids if bid.bid_hash == award.bid_hash)


def test_a_sealed_auction_is_won_by_who_stays_and_paid_on_the_chain(town: Town) -> None:
    world, buyer, agent, rival = town.world, town.world.buyer, town.world.agent, town.world.rival
    task = post(town)
    high = commit(town, task, agent, HIGH)
    low = commit(town, task, rival, LOW)
    seen = town.act(buyer, lambda market: market.commits(task.id))
    assert {(one.agent, one.live) for one in seen} == {(agent.address, True), (rival.address, True)}
    assert town.act(buyer, lambda market: market.bids(task.id)) == [], "nobody sees a price"
    with pytest.raises(ProblemError):
        show(town, task, agent, high)

    # who was cheaper takes its bid back, and can never show it; who takes back nothing cannot be undercut unseen
    taken = town.act(rival, lambda market: AgentActions(market).withdraw_commit(task.id, low.bid_hash))
    assert (taken.withdrawn, taken.live) == (True, False)
    world.later(AUCTION + 1)
    sweeps.keep(world.machine)
    assert town.act(buyer, lambda market: market.task(task.id)).state == "revealing"
    with pytest.raises((ProblemError, ClientError)):
        show(town, task, rival, low)
    bid = show(town, task, agent, high)
    assert (bid.amount_units, bid.bid_hash) == (HIGH, high.bid_hash)

    world.later(REVEAL)
    sweeps.keep(world.machine)
    awarded = town.act(buyer, lambda market: market.task(task.id))
    assert awarded.deal_id is not None
    for anybody in (buyer, rival):
        assert town.act(anybody, lambda market: recomputed(market, task)) == agent.address
    everything = town.act(rival, lambda market: market.commits(task.id))
    assert {one.bid_hash: one.withdrawn for one in everything} == {high.bid_hash: False, low.bid_hash: True}

    deal = town.act(agent, lambda market: market.deal(awarded.deal_id))
    before = world.usdc_of(buyer.address), world.ledger_of(agent.address)

    async def accept(market: Market) -> None:
        await AgentActions(market).accept(await market.deal(deal.id))

    async def pay(market: Market) -> None:
        await BuyerActions(market).pay(await market.deal(deal.id))

    async def release(market: Market) -> None:
        await BuyerActions(market).release(await market.deal(deal.id))

    town.act(agent, accept)
    town.act(buyer, pay)
    world.until(lambda: town.state(deal) == "assigned", "the escrow is funded and accepted")
    town.deliver(deal)
    town.act(buyer, release)
    world.until(lambda: town.state(deal) == "completed", "released")
    assert world.usdc_of(buyer.address) == before[0] - HIGH
    assert world.ledger_of(agent.address) == before[1] + HIGH - HIGH * FEE_BPS // 10_000
