"""Without the relayer: funding, disputes and their answers from one's own wallet, for one's own gas."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aicp.abi.enums import Status
from aicp.abi.escrow import EscrowState
from aicp.agent import Agent, Options
from aicp.agent.defence import Defence
from aicp.cli.main import exit_code
from aicp.client import AgentActions, BondAboveLimit, ClientError, NotDue, NotEnough, Wallet
from aicp.client.direct import DirectChain
from aicp.client.verify import check_escrow
from aicp.rules.primitives import keccak
from backend.deals.models import Deal
from tests.fixtures.disputelab import FEE, Court
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market


def test_an_escrow_is_funded_straight_from_the_wallet_after_its_allowance(world: World, tmp_path: Path) -> None:
    world.stake(world.agent)
    held = world.usdc_of(world.buyer.address)
    deal = world.deal(12 * USDC)
    world.accept(deal)
    wallet = Wallet(world.buyer.key)

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            chain = await market.chain()
            terms = check_escrow(await market.deal(deal.id), chain)
            direct = DirectChain(world.chain.url, wallet, chain)
            with pytest.raises(ClientError):
                await direct.fund(terms)
            await direct.approve(terms.amount)
            await direct.fund(terms)

    asyncio.run(run())
    assert held - world.usdc_of(world.buyer.address) == 12 * USDC
    world.until(lambda: world.state(deal) == "assigned", "assigned")


def test_without_gas_one_sentence_says_so_and_nothing_is_sent(world: World, tmp_path: Path) -> None:
    wallet = Wallet(keccak(b"a wallet that nobody has given gas"))

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            direct = DirectChain(world.chain.url, wallet, await market.chain())
            with pytest.raises(NotEnough, match=r"needs gas: up to 0\.\d+ ETH") as refused:
                await direct.approve(1)
            assert exit_code(refused.value) == 1

    asyncio.run(run())


@pytest.fixture(scope="module")
def court(world: World) -> Court:
    made = Court(world)
    made.seat()
    return made


async def dispute_directly(world: World, deal: Deal, folder: Path) -> EscrowState:
    """Dispute as the buyer, past the service; return what the chain has then."""
    wallet = Wallet(world.buyer.key)
    async with open_market(world, wallet, folder / "buyer") as market:
        chain = await market.chain()
        terms = check_escrow(await market.deal(deal.id), chain)
        direct = DirectChain(world.chain.url, wallet, chain)
        with pytest.raises(BondAboveLimit):
            await direct.dispute(terms, keccak(b"said"), bond_limit_units=FEE - 1)
        with pytest.raises(ClientError, match="refuses"):
            await direct.respond(terms, bond_limit_units=FEE)
        await direct.dispute(terms, keccak(b"said"), bond_limit_units=FEE)
        return await direct.state_of(terms.digest(chain.escrow))


async def agent_alone(world: World, deal: Deal, folder: Path) -> bool:
    """Let the deal's agent look at what it knew before the dispute; return whether it answered by itself."""
    async with open_market(world, Wallet(world.agent.key), folder / "agent", rpc_url=world.chain.url) as market:
        known = await market.deal(deal.id)
        posts: list[str] = []
        market.transport.post = lambda path, *_: posts.append(path)  # type: ignore[method-assign,assignment,return-value]
        defence = Defence(Agent("Tabula", ["data_processing"]), AgentActions(market), Options())
        answered = await defence.answer_directly_if_late(known)
        assert posts == []
        return answered


def test_a_dispute_nobody_relays_is_answered_by_the_agent_itself_late_in_its_time(court: Court, tmp_path: Path) -> None:
    world = court.world
    world.stake(world.agent)
    deal = court.submitted()
    buyer, agent = world.usdc_of(world.buyer.address), world.usdc_of(world.agent.address)
    raised = asyncio.run(dispute_directly(world, deal, tmp_path))
    assert raised.status == Status.CHALLENGED
    assert not asyncio.run(agent_alone(world, deal, tmp_path)), "there is time for the service yet"
    world.later(raised.clock - 10 - world.clock())
    assert asyncio.run(agent_alone(world, deal, tmp_path))
    assert (buyer - world.usdc_of(world.buyer.address), agent - world.usdc_of(world.agent.address)) == (FEE, FEE)
    world.until(lambda: court.chain_status(deal) == "disputed", "disputed")
    assert not asyncio.run(agent_alone(world, deal, tmp_path)), "once"


def test_what_the_chain_does_not_show_disputed_is_not_given_back(court: Court, tmp_path: Path) -> None:
    world = court.world
    deal = court.submitted()

    async def run() -> None:
        async with open_market(world, Wallet(world.agent.key), tmp_path / "agent", rpc_url=world.chain.url) as market:
            with pytest.raises(NotDue, match="no dispute"):
                await AgentActions(market).give_back(await market.deal(deal.id), although_submitted=True)

    asyncio.run(run())
    assert court.chain_status(deal) == "submitted"
