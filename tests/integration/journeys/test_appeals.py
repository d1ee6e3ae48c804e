"""A buyer appeals against a vote he lost, and the agent of the SDK answers by itself: by signature, without any gas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aicp.agent import Agent, Options
from aicp.agent.appeals import AppealAnswers
from aicp.client import Market
from aicp.client.juror import Choice
from aicp.rules.primitives import hex0x
from backend.deals.models import Deal
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.journeys import Town
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import create_database, start_anvil

pytestmark = pytest.mark.services
PRICE, COST = 11 * USDC, 7 * USDC


@pytest.fixture
def town(postgres: object, tmp_path: Path) -> Iterator[Town]:
    chain = start_anvil()
    world = World(chain, create_database(postgres), tmp_path / "deployment")
    world.stake(world.agent, 150 * USDC)
    court = Court(world)
    court.seat()
    made = Town(world, tmp_path / "town", court)
    made.folder.mkdir()
    yield made
    made.close()
    world.close()
    chain.close()


def test_an_agent_without_gas_answers_the_appeal_of_a_buyer_without_gas_once(town: Town) -> None:
    world, buyer, agent = town.world, town.world.buyer, town.world.agent
    for party in (buyer, agent):
        world.chain.rpc("anvil_setBalance", hex0x(party.address), "0x0")
    deal = town.submitted(PRICE)
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    town.dispute(agent, deal, lambda own, seen: own.respond(seen, "All.", bond_limit_units=FEE))
    town.until_on_chain(deal, "disputed")
    row = world.read(lambda session: session.get(Deal, deal.id))
    assert row is not None
    world.later(61)
    town.court.keep_until(row, "commit")
    town.vote(deal, Choice.AGENT)
    before = world.usdc_of(buyer.address), world.usdc_of(agent.address)

    async def look(market: Market) -> None:
        """What a newly started agent does when it looks at its deal."""
        own = AppealAnswers(Agent("Tabula", ["data_processing"]), market, Options())
        await own.step(await market.deal(deal.id))

    town.act(agent, look)
    town.dispute(buyer, deal, lambda own, seen: own.fund_appeal(seen, limit_units=2 * COST))
    world.until(lambda: world.usdc_of(buyer.address) == before[0] - 2 * COST, "the buyer has paid")
    assert world.usdc_of(agent.address) == before[1], "nothing is paid before the buyer appeals"

    def drawn() -> bool:
        shown = town.escrow(agent, deal).dispute
        return shown is not None and shown.arbiter_round == 1

    for _ in range(3):  # killed and started again, before and after its payment is mined
        town.act(agent, look)
    world.until(drawn, "a larger panel is drawn")
    town.act(agent, look)
    world.turn()
    assert world.usdc_of(agent.address) == before[1] - COST
    calls = world.sql("SELECT state FROM txm.intent WHERE kind = 'appeal' AND on_behalf_of = :a", a=agent.address)
    assert len(calls) == 1
    for party in (buyer, agent):
        assert int(world.chain.rpc("eth_getBalance", hex0x(party.address), "latest"), 16) == 0
