"""Whoever holds several pools until a COMMIT locks them in one order, so that none waits for another in a ring."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy.orm import Session

from backend.db.engine import plain_dsn
from backend.payments import hot_repo, repo
from backend.payments.lookup import connect
from backend.payments.writer import _PLANS
from tests.fixtures.moneylab import World

FIRST, SECOND = b"\x01" * 32, b"\x02" * 32
CHANNELS: Final = {FIRST: b"\x11" * 32, SECOND: b"\x12" * 32}
LOCK_POOL: Final = "SELECT 1 FROM app.pool WHERE pool_id = $1 FOR UPDATE"
LOCK_CHANNEL: Final = "SELECT 1 FROM app.channel WHERE channel_id = $1 FOR UPDATE"
WAITS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aicp-vouchers' "
    "AND wait_event_type = 'Lock'"
)
LOOKS: Final = 1_000


@pytest.fixture(scope="module")
def two_pools(world: World) -> None:
    def rows(session: Session) -> None:
        for pool, channel in CHANNELS.items():
            session.execute(repo.new_pool(pool, pool[:20], pool[:20], world.ctx.operator.address))
            session.execute(repo.new_channel(channel, pool, world.agent.address))

    world.write(rows)


def stands(world: World, channel: bytes) -> int:
    return int(world.one("SELECT ceiling_units FROM app.channel WHERE channel_id = :c", c=channel))


def one_more_each(world: World, pools: list[bytes]) -> tuple[Any, ...]:
    """The parameters of a group with a voucher of one unit for each pool, in the order of the vouchers."""
    channels = [CHANNELS[pool] for pool in pools]
    before = [stands(world, channel) for channel in channels]
    ceilings, ones, signatures = [units + 1 for units in before], [1] * len(pools), [bytes(65)] * len(pools)
    sums = (pools, ones, [1_000] * len(pools))
    return (*sums, channels, before, ceilings, signatures, ones, 1, 10**9, channels, ceilings, signatures, ones)


async def until_it_waits(follower: Any) -> None:
    for _ in range(LOOKS):
        if await follower.fetchval(WAITS):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the group waits for no lock")


@pytest.mark.parametrize("order", [[FIRST, SECOND], [SECOND, FIRST]], ids=["in order", "against it"])
def test_a_group_waits_for_who_goes_on_by_the_order_of_pools(world: World, two_pools: None, order: list[bytes]) -> None:
    """The ledger's follower holds pool and channel of one claim while it goes on to the next."""

    async def run() -> None:
        group = await connect(world.database_url, "aicp-vouchers", **_PLANS)
        follower = await asyncpg.connect(plain_dsn(world.database_url))
        try:
            held = follower.transaction()
            await held.start()
            await follower.execute(LOCK_POOL, FIRST)
            await follower.execute(LOCK_CHANNEL, CHANNELS[FIRST])
            writing = asyncio.create_task(group.fetch(hot_repo.PAY, *one_more_each(world, order)))
            await until_it_waits(follower)
            await follower.execute(LOCK_POOL, SECOND)
            await follower.execute(LOCK_CHANNEL, CHANNELS[SECOND])
            await held.commit()
            assert {row["pool_id"] for row in await writing} == set(order)
        finally:
            await group.close()
            await follower.close()

    asyncio.run(run())
