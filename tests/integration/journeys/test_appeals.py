"""A buyer appeals against a vote he lost, and the agent of the SDK answers by itself: by signature, without any gas.

And a whole dispute: evidence of both sides, a panel of three, an appeal, a panel of seven that sees it otherwise, and
everybody's money as the contracts have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.agent import Agent, Options
from aicp.agent.appeals import AppealAnswers
from aicp.client import Market, models
from aicp.client.juror import Choice
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import hex0x
from backend.deals.models import Deal
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.journeys import Town
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import create_database, start_anvil

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


def test_a_larger_panel_turns_the_ruling_and_everybody_has_what_the_contracts_say(town: Town) -> None:
    world, court, buyer, agent = town.world, town.court, town.world.buyer, town.world.agent
    contracts = world.ctx.deployment
    deal = town.submitted(PRICE)
    stake = town.act(agent, lambda market: market.balances()).staked_units
    start = {who.address: world.usdc_of(who.address) + world.ledger_of(who.address) for who in (buyer, agent)}
    shot, proof = town.file("shot.txt", "The second column is missing."), town.file("proof.txt", "It is there.")
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", [shot], bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    town.dispute(agent, deal, lambda own, seen: own.respond(seen, "All.", [proof], bond_limit_units=FEE))
    town.until_on_chain(deal, "disputed")
    row = world.read(lambda session: session.get(Deal, deal.id))
    assert row is not None
    world.later(61)
    court.keep_until(row, "commit")
    assert len(town.vote(deal, Choice.AGENT)) >= 1

    town.dispute(buyer, deal, lambda own, seen: own.fund_appeal(seen, limit_units=2 * COST))
    world.until(lambda: _appeal_paid(town, deal), "the buyer has appealed")
    town.dispute(agent, deal, lambda own, seen: own.fund_appeal(seen, limit_units=COST))
    world.until(lambda: _round(town, deal) == 1, "a larger panel is drawn")
    court.keep_until(row, "commit")
    court.vote(row, 1, number=1)
    world.later(61)
    for _ in range(4):
        court.keep()
    world.until(lambda: town.state(deal) == "refunded", "the ruling is carried out")
    shown = town.escrow(agent, deal)
    assert shown.dispute is not None
    assert (shown.outcome, shown.dispute.ruling) == ("lost", "buyer")
    assert [(one.seats, one.buyer_votes, one.agent_votes) for one in shown.dispute.rounds] == [(3, 0, 3), (7, 7, 0)]
    assert [(said.claim, said.files[0].name) for said in shown.dispute.evidence] == [
        ("Half.", "shot.txt"), ("All.", "proof.txt"),
    ]  # fmt: skip

    # the price and his bond are back; what both raised for the appeal, less the second panel's fee, goes to who won
    world.until(lambda: _owed(town, contracts.arbiter, buyer.address) > 0, "the appeal's money is given back")
    owned = {who.address: world.usdc_of(who.address) + world.ledger_of(who.address) for who in (buyer, agent)}
    assert owned[buyer.address] + _owed(town, contracts.arbiter, buyer.address) == start[buyer.address] + PRICE
    assert owned[agent.address] == start[agent.address] - FEE - COST
    assert town.act(agent, lambda market: market.balances()).staked_units == stake - PRICE // 5
    assert _owed(town, contracts.reputation, buyer.address) == PRICE // 10, "half of the lost stake is the buyer's"
    everything = owned[buyer.address] + PRICE // 10 + _owed(town, contracts.arbiter, buyer.address)
    assert town.act(buyer, _collect) == [LedgerName.ESCROW, LedgerName.REPUTATION, LedgerName.ARBITER]
    world.until(lambda: world.usdc_of(buyer.address) == everything, "all of it is in his wallet")


async def _collect(market: Market) -> list[LedgerName]:
    """Collect all that waits in the contracts; return where something did."""
    return [LedgerName(intent.reference["ledger"]) async for intent in market.collect()]


def _appeal_paid(town: Town, deal: models.Deal) -> bool:
    """Whether the buyer's side of the appeal is paid."""
    shown = town.escrow(town.world.buyer, deal).dispute
    assert shown is not None
    return shown.appeal is not None and shown.appeal.challenged


def _round(town: Town, deal: models.Deal) -> int | None:
    """The arbiter's round."""
    shown = town.escrow(town.world.buyer, deal).dispute
    assert shown is not None
    return shown.arbiter_round


def _owed(town: Town, contract: bytes, account: bytes) -> int:
    """What somebody can withdraw from a contract's ledger."""
    request = {"to": hex0x(contract), "data": hex0x(arbiter_abi.encode_balance_of(account))}
    return int(town.world.chain.rpc("eth_call", request, "latest"), 16)
