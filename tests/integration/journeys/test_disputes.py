"""Four disagreements from the post to the last coin, by the SDK over the real API, chain, mirror and relayer.

Silence that loses, an answer that jurors judge, a release without the buyer, and a division by agreement. Every journey
ends with the balances of everybody, the stake, and what the other side says of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.client import BondAboveLimit, Market, NotDue
from aicp.client.juror import Choice
from aicp.client.models import Intent
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import hex0x
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.journeys import Town
from tests.fixtures.moneylab import USDC, Person, World, stranger
from tests.fixtures.services import create_database, start_anvil

PRICE = 11 * USDC
STAKE = PRICE // 5
PERCENT_FEE = 250


@pytest.fixture(scope="module")
def town(postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    chain = start_anvil()
    world = World(chain, create_database(postgres), tmp_path_factory.mktemp("deployment"))
    world.stake(world.agent, 150 * USDC)
    court = Court(world)
    court.seat(3)
    made = Town(world, tmp_path_factory.mktemp("town"), court)
    yield made
    made.close()
    world.close()
    chain.close()


def owned(world: World, who: Person) -> int:
    """What somebody has in his wallet and can collect from the escrow contract."""
    return world.usdc_of(who.address) + world.ledger_of(who.address)


def staked(town: Town) -> tuple[int, int]:
    """The agent's stake, all of it and what is locked."""
    held = town.act(town.world.agent, lambda market: market.balances())
    return held.staked_units, held.stake_locked_units


def collect(town: Town, who: Person) -> None:
    """Collect everything the contracts owe somebody: no balance is left in any of them."""

    async def all_of_it(market: Market) -> list[Intent]:
        return [intent async for intent in market.collect()]

    assert town.act(who, all_of_it)
    held = (town.world.ctx.deployment.reputation, town.world.ctx.deployment.arbiter)
    town.world.until(
        lambda: town.world.ledger_of(who.address) == 0 == sum(_balance(town, at, who.address) for at in held),
        "collected",
    )


def test_a_dispute_the_agent_does_not_answer_refunds_the_buyer(town: Town) -> None:
    world, buyer = town.world, town.world.buyer
    deal = town.submitted(PRICE)
    before, stake = owned(world, buyer), staked(town)[0]
    shot = town.file("shot.txt", "The second column is missing.")
    with pytest.raises(BondAboveLimit):
        town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", bond_limit_units=FEE - 1))
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", [shot], bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    assert owned(world, buyer) == before - FEE
    shown = town.escrow(world.agent, deal).dispute
    assert shown is not None
    assert [(said.claim, said.files[0].name) for said in shown.evidence] == [("Half.", "shot.txt")]

    world.later(620)
    for _ in range(2):
        town.court.keep()
    world.until(lambda: town.state(deal) == "refunded", "the buyer has won")
    with pytest.raises(NotDue):
        town.dispute(world.agent, deal, lambda own, seen: own.respond(seen, bond_limit_units=FEE))
    assert town.escrow(buyer, deal).outcome == "lost"
    assert staked(town) == (stake - STAKE, 0), "silence costs the whole stake of the deal"
    # the price and the bond here; half of the lost stake waits for the buyer where stakes are kept
    assert owned(world, buyer) == before + PRICE
    assert _balance(town, world.ctx.deployment.reputation, buyer.address) == STAKE // 2
    shown = town.act(buyer, lambda market: market.balances())
    assert shown.ledger(LedgerName.REPUTATION).units == STAKE // 2
    collect(town, buyer)
    assert world.usdc_of(buyer.address) == before + PRICE + STAKE // 2


def test_three_jurors_judge_an_answered_dispute_and_everybody_is_paid(town: Town) -> None:
    world, buyer, agent = town.world, town.world.buyer, town.world.agent
    deal = town.submitted(PRICE)
    before, stake = (owned(world, buyer), owned(world, agent)), staked(town)[0]
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    proof = town.file("proof.txt", "Both columns are there.")
    town.dispute(agent, deal, lambda own, seen: own.respond(seen, "All.", [proof], bond_limit_units=FEE))
    town.until_on_chain(deal, "disputed")
    assert (owned(world, buyer), owned(world, agent)) == (before[0] - FEE, before[1] - FEE)

    world.later(61)
    town.court.keep_until(_row(town, deal), "commit")
    drawn = town.vote(deal, Choice.AGENT)
    assert set(drawn) <= {juror.address for juror in town.court.jurors}
    shown = town.escrow(buyer, deal).dispute
    assert shown is not None
    assert shown.arbiter_period == "appeal"
    world.later(61)
    for _ in range(4):
        town.court.keep()
    world.until(lambda: town.state(deal) == "completed", "the ruling is carried out")
    shown = town.escrow(buyer, deal).dispute
    assert shown is not None
    assert (shown.ruling, shown.arbiter_period) == ("agent", "solved")
    assert {said.role for said in shown.evidence} == {"buyer", "agent"}

    # the agent has the price less the fee, its own bond is the arbiter's, the buyer's bond is its
    fee = PRICE * PERCENT_FEE // 10_000
    assert owned(world, buyer) == before[0] - FEE
    assert owned(world, agent) == before[1] + PRICE - fee
    assert staked(town) == (stake, 0), "who wins keeps its stake"
    collect(town, agent)
    rewards = [_balance(town, world.ctx.deployment.arbiter, juror) for juror in drawn]
    assert sum(rewards) == FEE, "the jurors share the arbiter's fee"
    juror = next(one for one in town.court.jurors if one.address == drawn[0])
    held = world.usdc_of(juror.address)
    collect(town, juror)
    assert world.usdc_of(juror.address) == held + rewards[0]

    town.dispute(buyer, deal, lambda own, seen: own.rate(seen, 20, "I still think half is missing."))
    town.dispute(agent, deal, lambda own, seen: own.rate(seen, 60))
    world.until(lambda: len(town.escrow(buyer, deal).ratings) == 2, "both ratings are on chain")
    ratings = {rating.role: (rating.score, rating.comment) for rating in town.escrow(buyer, deal).ratings}
    assert ratings == {"buyer": (20, "I still think half is missing."), "agent": (60, None)}
    with pytest.raises(NotDue, match="a rating stands"):
        town.dispute(buyer, deal, lambda own, seen: own.rate(seen, 90))


def test_agent_and_verifier_pay_the_agent_without_the_buyer(town: Town) -> None:
    world, agent, verifier = town.world, town.world.agent, stranger()
    deal = town.submitted(PRICE, verifier.address)
    before = owned(world, agent)
    town.dispute(agent, deal, lambda own, seen: own.sign_release(seen))
    assert town.state(deal) == "delivered", "the agent alone never suffices"
    [mine] = town.act(verifier, _verified)
    assert mine == deal.id
    town.dispute(verifier, deal, lambda own, seen: own.sign_release(seen))
    world.until(lambda: town.state(deal) == "completed", "paid without the buyer")
    assert {one.role for one in town.escrow(verifier, deal).release_signatures} == {"agent", "verifier"}
    assert owned(world, agent) == before + PRICE - PRICE * PERCENT_FEE // 10_000


def test_an_offered_split_is_accepted_and_ends_the_dispute(town: Town) -> None:
    world, buyer, agent = town.world, town.world.buyer, town.world.agent
    deal = town.submitted(PRICE)
    before, stake = (owned(world, buyer), owned(world, agent)), staked(town)[0]
    town.dispute(buyer, deal, lambda own, seen: own.dispute(seen, "Half.", bond_limit_units=FEE))
    town.until_on_chain(deal, "challenged")
    to_agent = 4 * USDC
    town.dispute(agent, deal, lambda own, seen: own.offer_split(seen, to_agent))
    offers = town.escrow(buyer, deal).split_offers
    assert [(offer.role, offer.state) for offer in offers] == [("agent", "open")]
    town.dispute(buyer, deal, lambda own, seen: own.accept_split(seen, offers[0]))
    world.until(lambda: town.state(deal) == "split", "divided")
    assert owned(world, agent) == before[1] + to_agent - to_agent * PERCENT_FEE // 10_000
    assert owned(world, buyer) == before[0] + PRICE - to_agent, "his part, and his bond back: no arbiter was asked"
    assert staked(town) == (stake, 0)


async def _verified(market) -> list[object]:
    return [deal.id async for deal in market.deals("verifier")]


def _row(town: Town, deal):
    """The deal as the service's own helpers want it."""
    from backend.deals.models import Deal

    return town.world.read(lambda session: session.get(Deal, deal.id))


def _balance(town: Town, contract: bytes, account: bytes) -> int:
    """What somebody can withdraw from a contract's ledger."""
    request = {"to": hex0x(contract), "data": hex0x(arbiter_abi.encode_balance_of(account))}
    return int(town.world.chain.rpc("eth_call", request, "latest"), 16)
