"""PaymentChannel: one voucher claimed and paid in one step, and the limits of a channel's word."""

from __future__ import annotations

import ape
import pytest

from tests.contracts.test_payment_channel import deposit, group, packed
from tests.contracts.world import USDC

MOST = 2**72 - 1


def test_claim_and_pay__pays_this_claim_and_leaves_older_ones_to_settle(world):
    config = world.config(world.provider)
    deposit(world, config, 5 * USDC)
    world.channel.claim([world.row(config, USDC)], sender=world.provider)
    before = world.usdc.balanceOf(world.provider)
    receipt = world.channel.claimAndPay(world.row(config, 3 * USDC, 4 * USDC), b"", sender=world.provider)
    assert world.usdc.balanceOf(world.provider) == before + 2 * USDC
    [event] = world.channel.ClaimedAndPaid.from_receipt(receipt)
    assert (event.sender, event.claimAmount, event.newTotalClaimed) == (world.provider.address, 2 * USDC, 3 * USDC)
    assert tuple(world.channel.channels(world.channel_id(config))) == (5 * USDC, 3 * USDC)
    assert tuple(world.channel.receivers(world.provider, world.usdc)) == (USDC, 0)
    world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    assert world.usdc.balanceOf(world.provider) == before + 3 * USDC


def test_claim_and_pay__an_old_row_does_nothing(world):
    config = world.config(world.provider)
    deposit(world, config, 5 * USDC)
    row = world.row(config, USDC)
    world.channel.claimAndPay(row, b"", sender=world.operator)
    before = world.usdc.balanceOf(world.channel)
    assert len(world.channel.claimAndPay(row, b"", sender=world.operator).events) == 0
    assert world.usdc.balanceOf(world.channel) == before


def test_claim_and_pay__a_receipt_draws_from_the_pool_by_anybodys_hand(world):
    world.open_pool()
    config = world.config(world.provider)
    row = world.row(config, 2 * USDC)
    before = world.usdc.balanceOf(world.provider)
    receipt = world.channel.claimAndPay(row, world.receipt([row]), sender=world.stranger)
    assert world.usdc.balanceOf(world.provider) == before + 2 * USDC
    assert [event.amount for event in world.channel.PoolDrawn.from_receipt(receipt)] == [2 * USDC]
    assert len(world.channel.ChannelCreated.from_receipt(receipt)) == 1
    assert world.pool().balance == 3 * USDC


def test_claim_and_pay__typed_refusals(world):
    config = world.config(world.provider)
    deposit(world, config, USDC)
    world.open_pool()
    row = world.row(config, USDC)
    with ape.reverts(world.channel.NotAuthorizedToClaim):
        world.channel.claimAndPay(row, b"", sender=world.stranger)
    with ape.reverts(world.channel.NotAuthorizedToClaim):
        world.channel.claimAndPay(row, b"", sender=world.client)
    two = [row, world.row(config, 2 * USDC)]
    for receipt in (world.receipt([row], signer=world.session), world.receipt(two), world.receipt(two[1:])):
        with ape.reverts(world.channel.InvalidSignature):
            world.channel.claimAndPay(row, receipt, sender=world.provider)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claimAndPay(world.row(config, USDC, signer=world.operator), b"", sender=world.operator)
    with ape.reverts(world.channel.ClaimExceedsCeiling):
        world.channel.claimAndPay(world.row(config, USDC, USDC - 1), b"", sender=world.operator)
    # the receiver alone reaches no pool; the operator does, as far as there is money
    with ape.reverts(world.channel.ClaimExceedsBalance):
        world.channel.claimAndPay(two[1], b"", sender=world.provider)
    with ape.reverts(world.channel.PoolInsufficient):
        world.channel.claimAndPay(world.row(config, 9 * USDC), b"", sender=world.operator)


def test_claim_and_pay__a_refused_receiver_keeps_his_claim(world):
    config = world.config(world.provider)
    deposit(world, config, USDC)
    row = world.row(config, USDC)
    world.usdc.blacklist(world.provider, sender=world.owner)
    with ape.reverts():
        world.channel.claimAndPay(row, b"", sender=world.operator)
    world.channel.claim([row], sender=world.operator)
    assert world.channel.receivers(world.provider, world.usdc).totalClaimed == USDC


# the word of a channel -----------------------------------------------------------------------------------------------


def test_channel_word__refuses_what_it_cannot_hold(world):
    config = world.config(world.provider)
    world.usdc.mint(world.client, 2**74, sender=world.owner)
    deposit(world, config, MOST - 1)
    with ape.reverts(world.channel.DepositOverflow):
        deposit(world, config, 2)
    with ape.reverts(world.channel.DepositOverflow):
        deposit(world, config, 2**128 - 1)
    deposit(world, config, 1)
    world.open_pool(2**73)
    beyond = world.row(config, MOST + 1)
    with ape.reverts(world.channel.DepositOverflow):
        world.channel.claim([beyond], sender=world.operator)
    with ape.reverts(world.channel.DepositOverflow):
        world.channel.claimAndPay(beyond, b"", sender=world.operator)
    rows = [group(world, packed(world, config, MOST + 1) + packed(world, config, MOST))]
    receipt = world.channel.claimBatch(world.operator, rows, b"", sender=world.operator)
    assert [(event.row, event.reason) for event in world.channel.RowSkipped.from_receipt(receipt)] == [(0, 4)]
    assert tuple(world.channel.channels(world.channel_id(config))) == (MOST, MOST)


@pytest.mark.parametrize("amount", [1, MOST])
def test_channel_word__totals_and_a_pending_withdrawal_do_not_touch_each_other(world, amount):
    config = world.config(world.provider)
    (key, channel_id) = tuple(config.values()), world.channel_id(config)
    world.usdc.mint(world.client, 2**74, sender=world.owner)
    deposit(world, config, amount)
    world.channel.initiateWithdraw(key, amount, sender=world.client)
    started = world.now()
    assert tuple(world.channel.pendingWithdrawals(channel_id)) == (amount, started)
    assert tuple(world.channel.channels(channel_id)) == (amount, 0)
    world.channel.claim([world.row(config, amount)], sender=world.operator)
    assert tuple(world.channel.channels(channel_id)) == (amount, amount)
    assert tuple(world.channel.pendingWithdrawals(channel_id)) == (amount, started)
    world.pass_to(started + 86400)
    world.channel.finalizeWithdraw(key, sender=world.client)
    assert tuple(world.channel.pendingWithdrawals(channel_id)) == (0, 0)
    assert tuple(world.channel.channels(channel_id)) == (amount, amount)
