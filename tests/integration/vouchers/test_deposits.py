"""P6: a deposit that is only seen, and then gone with a reorg, has paid for nothing."""

from __future__ import annotations

import secrets
from dataclasses import replace

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.rules.primitives import checksum
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import wait_for
from tests.fixtures.voucherlab import Shards, paid, receiver, voucher
from tests.integration.vouchers.conftest import POOL


def deposit_directly(world: World, units: int) -> None:
    """Put money into the pool of the world's key by the buyer's own transaction, which is mined and not final."""
    buyer, channel = world.buyer.address, world.ctx.deployment.payment_channel
    world.chain.rpc("anvil_impersonateAccount", checksum(buyer))
    world.chain.rpc("anvil_setBalance", checksum(buyer), hex(10**18))
    world.send(buyer, world.ctx.deployment.usdc, usdc_abi.encode_approve(channel, 2**255))
    deposit = channel_abi.encode_deposit_pool(world.session_key.address, world.ctx.operator.address, units)
    world.send(buyer, channel, deposit)
    world.mirror()


def seen(world: World) -> int:
    """Return the pool's balance in the newest block, as the mirror has it."""
    rows = world.sql("SELECT balance_units FROM chain.pool WHERE pool_id = :id", id=world.pool_id)
    return int(rows[0][0]) if rows else 0


def reorg_away(world: World) -> None:
    """Replace the newest block by an empty one and let it become final."""
    world.chain.rpc("anvil_reorg", 1, [])
    world.chain.mine(6)
    world.mirror()


def test_a_new_pool_that_is_only_seen_pays_nothing_and_is_gone_after_a_reorg(world: World, shards: Shards) -> None:
    known = world.session_key
    world.session_key = replace(known, key=secrets.token_bytes(32))
    try:
        body = voucher(world, receiver(2_000), 1_000)
        deposit_directly(world, 5 * USDC)
        assert seen(world) == 5 * USDC
        answer = shards.send(body)
        assert (answer.status_code, answer.json()["code"]) in {(404, "pool_unknown"), (402, "voucher_above_pool")}
        reorg_away(world)
        assert seen(world) == 0
        again = shards.send(body)
        assert (again.status_code, again.json()["code"]) in {(404, "pool_unknown"), (402, "voucher_above_pool")}
        assert paid(world) == 0
    finally:
        world.session_key = known


def test_what_is_added_to_a_pool_pays_only_once_it_is_final(world: World, shards: Shards) -> None:
    agent, left = receiver(2_001), POOL - paid(world)
    deposit_directly(world, 3 * USDC)
    assert seen(world) == POOL + 3 * USDC
    over = shards.send(voucher(world, agent, left + 1))
    assert (over.status_code, over.json()["code"]) == (402, "voucher_above_pool")
    assert shards.send(voucher(world, agent, left)).status_code == 200
    reorg_away(world)
    assert seen(world) == POOL
    over = shards.send(voucher(world, agent, left + 1))
    assert (over.status_code, over.json()["code"]) == (402, "voucher_above_pool")
    assert paid(world) == POOL
    deposit_directly(world, 1 * USDC)
    world.chain.mine(6)
    world.mirror()
    wait_for(lambda: shards.send(voucher(world, agent, left + 1)).status_code == 200, "what has become final pays", 30)
    assert paid(world) == POOL + 1
