"""Two session keys of one buyer, as of a browser and a command line, pay the same agent from two pools."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from aicp.client import Market, PoolActions, Wallet
from backend.deals import service
from backend.deals.schemas import ChannelSideOut
from indexer.audit.command import audit
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market

PRICE = 400_000


def from_the_browser(world: World) -> None:
    """Order once with the world's own session key and accept the result."""
    deal = world.deal(PRICE)
    need = channel_of(world, deal.id, world.session_key.address).need_units
    world.place(deal, world.order(deal, need))
    world.deliver(deal)
    world.judge(deal, accepted=True)


def channel_of(world: World, deal_id: Any, session_key: bytes | None) -> ChannelSideOut:
    found = world.read(
        lambda s: service.read_deal(s, world.ctx, deal_id, world.buyer.address, "seen", session_key)
    ).channel
    assert found is not None
    return found


def report(world: World, code: int) -> dict[str, Any]:
    arguments = ["--rpc", world.chain.url, "--deployment", str(world.ctx.settings.deployment)]
    answer = CliRunner().invoke(audit, [*arguments, "--db", world.database_url, "--json"])
    assert answer.exit_code == code, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_each_key_orders_from_its_own_pool_and_the_books_agree(world: World, tmp_path: Path) -> None:
    world.deposit(8 * USDC)
    from_the_browser(world)

    async def command_line(step: Any) -> Any:
        async with open_market(world, Wallet(world.buyer.key), tmp_path / "store.sqlite") as market:
            return await step(market)

    async def deposit(market: Market) -> Any:
        return await PoolActions(market).deposit(5 * USDC)

    intent = asyncio.run(command_line(deposit))
    world.until(lambda: world.intent_state(intent.id) == "final", "the deposit is final")
    world.turn()
    deal = world.deal(PRICE)
    assert channel_of(world, deal.id, None).need_units == 2 * PRICE, "the richer pool is the browser's"

    async def order(market: Market) -> Any:
        return await PoolActions(market).order(await market.deal(deal.id))

    ordered = asyncio.run(command_line(order))
    assert ordered.state == "assigned"
    assert ordered.channel.pool_id != world.pool_id
    assert ordered.channel.ceiling_units == PRICE
    world.deliver(deal)

    async def verdict(market: Market) -> Any:
        return await PoolActions(market).verdict(await market.deal(deal.id), accepted=True)

    assert asyncio.run(command_line(verdict)).state == "completed"
    from_the_browser(world)
    earned = world.sql("SELECT earned_units FROM app.channel ORDER BY earned_units")
    assert [int(row[0]) for row in earned] == [PRICE, 2 * PRICE]

    world.turn()
    checked = report(world, 0)["checked"]
    assert checked["receipts against their signatures"] == 3
    assert checked["channel totals of the service against their receipts"] == 4
    world.sql("UPDATE app.receipt SET total_claimed_units = 399999 WHERE total_claimed_units = 400000")
    columns = {difference["column"].split(" of ")[0] for difference in report(world, 1)["differences"]}
    assert {"receipted_units", "signer"} <= columns
    world.sql("UPDATE app.receipt SET total_claimed_units = 400000 WHERE total_claimed_units = 399999")
