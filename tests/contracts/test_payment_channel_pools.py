"""Pools at their limits: to the unit and to the second, and what every event says."""

from __future__ import annotations

import ape

from tests.contracts.world import FOREVER, USDC, World

DELAY = 86400


def at(world: World, timestamp: int) -> None:
    """Let the next transaction be mined at a second."""
    world.chain.pending_timestamp = timestamp


def test_pool__deposits_add_up_and_tell_all(world):
    before = world.usdc.balanceOf(world.client)
    for amount, balance in ((1, 1), (2, 3), (5 * USDC, 5 * USDC + 3)):
        receipt = world.channel.depositPool(world.session, world.operator, amount, sender=world.client)
        (event,) = world.channel.PoolDeposited.from_receipt(receipt)
        assert (bytes(event.poolId), event.payer) == (world.pool_id(), world.client.address)
        assert (event.payerAuthorizer, event.operator) == (world.session.address, world.operator.address)
        assert (event.amount, event.balance) == (amount, balance)
    assert tuple(world.pool()) == (balance, 0, 0, 0)
    assert world.usdc.balanceOf(world.client) == before - balance
    with ape.reverts(world.channel.PoolAmountZero, poolId=world.pool_id()):
        world.open_pool(0)


def test_pool_withdraw__to_the_second_and_tells_all(world):
    world.open_pool(5)
    pool_id = world.pool_id()
    receipt = world.channel.initiatePoolWithdraw(world.session, world.operator, 4, sender=world.client)
    due = world.chain.blocks.head.timestamp + DELAY
    (event,) = world.channel.PoolWithdrawInitiated.from_receipt(receipt)
    assert (bytes(event.poolId), event.amount, event.finalizeAt, event.nonce) == (pool_id, 4, due, 1)
    assert tuple(world.pool()) == (5, 4, due, 1)
    with ape.reverts(world.channel.PoolWithdrawalAlreadyPending, poolId=pool_id, finalizeAt=due):
        world.channel.initiatePoolWithdraw(world.session, world.operator, 1, sender=world.client)
    at(world, due - 1)
    with ape.reverts(world.channel.PoolWithdrawDelayNotElapsed, poolId=pool_id, finalizeAt=due):
        world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    before = world.usdc.balanceOf(world.client)
    at(world, due)
    receipt = world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    (event,) = world.channel.PoolWithdrawFinalized.from_receipt(receipt)
    assert (bytes(event.poolId), event.amount, event.balance, event.nonce) == (pool_id, 4, 1, 2)
    assert (tuple(world.pool()), world.usdc.balanceOf(world.client)) == ((1, 0, 0, 2), before + 4)
    with ape.reverts(world.channel.PoolWithdrawalNotPending, poolId=pool_id):
        world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)


def test_pool_withdraw__of_an_emptied_pool_pays_nothing_and_ends(world):
    world.open_pool(5)
    world.channel.initiatePoolWithdraw(world.session, world.operator, 4, sender=world.client)
    due = world.chain.blocks.head.timestamp + DELAY
    world.channel.claim([world.row(world.config(world.provider), 5)], sender=world.operator)
    world.pass_to(due)
    receipt = world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    assert not list(world.usdc.Transfer.from_receipt(receipt))
    assert tuple(world.pool()) == (0, 0, 0, 2)


def test_pool_withdraw__cancelled_by_the_payer_only(world):
    world.open_pool(5)
    world.channel.initiatePoolWithdraw(world.session, world.operator, 4, sender=world.client)
    for other in (world.session, world.operator, world.stranger):
        with ape.reverts(world.channel.PoolWithdrawalNotPending):
            world.channel.cancelPoolWithdraw(world.session, world.operator, sender=other)
    receipt = world.channel.cancelPoolWithdraw(world.session, world.operator, sender=world.client)
    (event,) = world.channel.PoolWithdrawCancelled.from_receipt(receipt)
    assert (bytes(event.poolId), event.amount, event.nonce) == (world.pool_id(), 4, 2)
    assert tuple(world.pool()) == (5, 0, 0, 2)
    with ape.reverts(world.channel.PoolAmountZero, poolId=world.pool_id()):
        world.channel.initiatePoolWithdraw(world.session, world.operator, 0, sender=world.client)


def test_release_pool__never_below_its_delay_and_never_later(world):
    world.open_pool(5)
    with ape.reverts(world.channel.PoolWithdrawalNotPending, poolId=world.pool_id()):
        world.channel.releasePool(*world.pool_key(), 0, sender=world.operator)
    world.channel.initiatePoolWithdraw(world.session, world.operator, 4, sender=world.client)
    due = world.pool().finalizeAt
    with ape.reverts(world.channel.NotPoolOperator, poolId=world.pool_id(), caller=world.client.address):
        world.channel.releasePool(*world.pool_key(), 1, sender=world.client)
    for nonce in (0, 2):
        with ape.reverts(world.channel.PoolNonceMismatch, poolId=world.pool_id(), current=1, given=nonce):
            world.channel.releasePool(*world.pool_key(), nonce, sender=world.operator)
    for before_due, finalize_at in ((900, due), (899, due), (901, due - 1), (1800, due - 900)):
        snapshot = world.chain.snapshot()
        at(world, due - before_due)
        receipt = world.channel.releasePool(*world.pool_key(), 1, sender=world.operator)
        (event,) = world.channel.PoolReleased.from_receipt(receipt)
        assert (bytes(event.poolId), event.finalizeAt, event.nonce) == (world.pool_id(), finalize_at, 1)
        assert tuple(world.pool()) == (5, 4, finalize_at, 1)
        world.chain.restore(snapshot)


def test_pool_signatures__count_in_their_last_second_and_no_second_later(world):
    world.open_pool(5)
    until = world.now() + 1000
    fields = {"poolId": world.pool_id(), "amount": 1, "cancel": False, "nonce": 0, "validUntil": until}
    signature = world.sign_channel(world.client, "PoolWithdraw", **fields)
    call = (*world.pool_key(), 1, 0, until, signature)
    snapshot = world.chain.snapshot()
    at(world, until + 1)
    with ape.reverts(world.channel.AuthorizationExpired, validUntil=until):
        world.channel.initiatePoolWithdrawWithSignature(*call, sender=world.stranger)
    world.chain.restore(snapshot)
    at(world, until)
    world.channel.initiatePoolWithdrawWithSignature(*call, sender=world.stranger)
    assert world.pool().withdrawAmount == 1
    fields |= {"cancel": True, "amount": 0, "nonce": 1, "validUntil": FOREVER}
    signature = world.sign_channel(world.session, "PoolWithdraw", **fields)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.cancelPoolWithdrawWithSignature(*world.pool_key(), 1, FOREVER, signature, sender=world.stranger)
