"""A buyer without the relayer: allowance and funding from his own wallet, for his own gas."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aicp.client import ClientError, Wallet
from aicp.client.direct import DirectChain
from aicp.client.verify import check_escrow
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market

pytestmark = pytest.mark.services


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
