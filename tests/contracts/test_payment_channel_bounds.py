"""PaymentChannel at its limits: to the unit and to the second, who may do what, and what every event says."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_utils import keccak

from tests.contracts.world import ZERO, World

DELAY = 86400
MOST = 2**128 - 1
MOST_OF_A_CHANNEL = 2**72 - 1


def key_of(config: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(config.values())


def deposit(world: World, config: dict[str, Any], amount: int) -> Any:
    return world.channel.deposit(key_of(config), amount, ZERO, b"", sender=world.client)


def at(world: World, timestamp: int) -> None:
    """Let the next transaction be mined at a second."""
    world.chain.pending_timestamp = timestamp


def channel(world: World, config: dict[str, Any]) -> tuple[int, int]:
    return tuple(world.channel.channels(world.channel_id(config)))


def same_config(event: Any, config: dict[str, Any]) -> bool:
    """Whether an event tells the whole config."""

    def plain(value: Any) -> str:
        return value.hex().removeprefix("0x") if isinstance(value, bytes) else str(value).lower()

    return [plain(value) for value in event.config] == [plain(value) for value in config.values()]


# Deposits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [900, 901, 30 * DELAY])
def test_deposit__takes_delays_at_their_bounds_and_tells_all(world, delay):
    config = world.config(world.provider, withdrawDelay=delay)
    before = world.usdc.balanceOf(world.client)
    receipt = deposit(world, config, 1)
    (created,) = world.channel.ChannelCreated.from_receipt(receipt)
    assert bytes(created.channelId) == world.channel_id(config)
    assert same_config(created, config)
    receipt = deposit(world, config, 2)
    assert not list(world.channel.ChannelCreated.from_receipt(receipt))
    (deposited,) = world.channel.Deposited.from_receipt(receipt)
    assert bytes(deposited.channelId) == world.channel_id(config)
    assert (deposited.sender, deposited.amount, deposited.newBalance) == (world.client.address, 2, 3)
    assert (channel(world, config), world.usdc.balanceOf(world.client)) == ((3, 0), before - 3)


def test_deposit__reverts_when_the_balance_would_not_fit(world):
    config = world.config(world.provider)
    deposit(world, config, 1)
    with ape.reverts(world.channel.DepositOverflow):
        deposit(world, config, MOST_OF_A_CHANNEL)
    with ape.reverts() as refused:
        deposit(world, config, MOST_OF_A_CHANNEL - 1)  # it fits, but nobody has so much
    assert not isinstance(refused.value, world.channel.DepositOverflow)


def test_deposit__needs_a_payer_whatever_the_road(world):
    for collector in (ZERO, world.channel.erc3009Collector(), world.channel.permit2Collector()):
        config = world.config(world.provider, payer=ZERO)
        with ape.reverts(world.channel.InvalidChannel):
            world.channel.deposit(key_of(config), 1, collector, b"", sender=world.client)


# Claims -------------------------------------------------------------------------------------------------------------


def test_claim__to_the_ceiling_and_to_the_balance(world):
    config = world.config(world.provider)
    deposit(world, config, 3)
    with ape.reverts(world.channel.ClaimExceedsCeiling):
        world.channel.claim([world.row(config, 3, 2)], sender=world.provider)
    with ape.reverts(world.channel.ClaimExceedsBalance):
        world.channel.claim([world.row(config, 4)], sender=world.provider)
    receipt = world.channel.claim([world.row(config, 1, 3)], sender=world.provider)
    (claimed,) = world.channel.Claimed.from_receipt(receipt)
    assert (bytes(claimed.channelId), claimed.sender) == (world.channel_id(config), world.provider.address)
    receipt = world.channel.claim([world.row(config, 3, 3)], sender=world.operator)
    (claimed,) = world.channel.Claimed.from_receipt(receipt)
    assert (claimed.claimAmount, claimed.newTotalClaimed) == (2, 3)
    for stale in (3, 2, 0):
        receipt = world.channel.claim([world.row(config, stale)], sender=world.provider)
        assert not list(world.channel.Claimed.from_receipt(receipt))
    assert channel(world, config) == (3, 3)
    assert tuple(world.channel.receivers(world.provider, world.usdc)) == (3, 0)


def test_claim__of_the_operator_draws_exactly_what_the_channel_lacks(world):
    config = world.config(world.provider)
    deposit(world, config, 2)
    world.open_pool(3)
    receipt = world.channel.claim([world.row(config, 4)], sender=world.operator)
    assert [(event.amount, bytes(event.poolId)) for event in world.channel.PoolDrawn.from_receipt(receipt)] == [
        (2, world.pool_id())
    ]
    assert not list(world.channel.ChannelCreated.from_receipt(receipt))
    assert (channel(world, config), world.pool().balance) == ((4, 4), 1)
    with ape.reverts(world.channel.PoolInsufficient, poolId=world.pool_id(), have=1, need=2):
        world.channel.claim([world.row(config, 6)], sender=world.operator)
    fresh = world.config(world.verifier)
    receipt = world.channel.claim([world.row(fresh, 1)], sender=world.operator)
    (created,) = world.channel.ChannelCreated.from_receipt(receipt)
    assert same_config(created, fresh)
    assert (channel(world, fresh), world.pool().balance) == ((1, 1), 0)


def test_claim__by_the_receiver_never_reaches_a_pool(world):
    world.open_pool()
    with ape.reverts(world.channel.ClaimExceedsBalance):
        world.channel.claim([world.row(world.config(world.provider), 1)], sender=world.provider)


def test_claim__draws_only_for_a_sound_config(world):
    world.open_pool()
    for changes, error in (
        ({"receiver": ZERO}, "InvalidChannel"),
        ({"token": world.escrow.address}, "UnsupportedToken"),
        ({"withdrawDelay": 899}, "WithdrawDelayOutOfRange"),
        ({"withdrawDelay": 30 * DELAY + 1}, "WithdrawDelayOutOfRange"),
    ):
        with ape.reverts(getattr(world.channel, error)):
            world.channel.claim([world.row(world.config(world.provider, **changes), 1)], sender=world.operator)


def test_claim__without_a_session_key_the_payer_signs(world):
    config = world.config(world.provider, payerAuthorizer=ZERO)
    deposit(world, config, 5)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claim([world.row(config, 5, signer=world.session)], sender=world.provider)
    world.channel.claim([world.row(config, 5, signer=world.client)], sender=world.provider)
    assert channel(world, config) == (5, 5)


def test_claim__a_session_key_is_a_plain_account(world):
    wallet = "0x00000000000000000000000000000000000a11e7"
    yes = "631626ba7e60e01b5f5260205ff3"  # says that it signed anything
    world.chain.provider.set_code(wallet, bytes.fromhex(yes))
    config = world.config(world.provider, payerAuthorizer=wallet)
    deposit(world, config, 5)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claim([world.row(config, 5)], sender=world.provider)
    theirs = world.config(world.provider, payer=wallet, payerAuthorizer=ZERO)
    receipt = world.channel.claim([world.row(theirs, 0)], sender=world.provider)
    assert not list(world.channel.Claimed.from_receipt(receipt))


def test_claim__signature_is_of_all_rows_in_their_order(world):
    one, two = world.config(world.provider), world.config(world.verifier)
    for config in (one, two):
        deposit(world, config, 5)
    rows = [world.row(one, 1), world.row(two, 2)]
    for signed in (rows[:1], rows[::-1], [world.row(one, 2), rows[1]]):
        with ape.reverts(world.channel.InvalidSignature):
            world.channel.claimWithSignature(rows, world.receipt(signed), sender=world.stranger)
    with ape.reverts(world.channel.EmptyBatch):
        world.channel.claimWithSignature([], world.receipt([]), sender=world.stranger)
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    assert (channel(world, one), channel(world, two)) == ((5, 1), (5, 2))


# Settlement ---------------------------------------------------------------------------------------------------------


def test_settle__pays_once_and_is_silent_when_there_is_nothing(world):
    config = world.config(world.provider)
    deposit(world, config, 5)
    world.channel.claim([world.row(config, 1)], sender=world.provider)
    before = world.usdc.balanceOf(world.provider)
    receipt = world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    (settled,) = world.channel.Settled.from_receipt(receipt)
    assert (settled.receiver, settled.token) == (world.provider.address, world.usdc.address)
    assert (settled.sender, settled.amount) == (world.stranger.address, 1)
    for receipt in (
        world.channel.settle(world.provider, world.usdc, sender=world.stranger),
        world.channel.settleMany([world.provider], sender=world.stranger),
    ):
        assert not list(receipt.decode_logs())
    assert world.usdc.balanceOf(world.provider) == before + 1


def test_settle_many__pays_each_and_skips_whom_the_token_refuses(world):
    receivers = (world.provider, world.verifier, world.treasury)
    for number, account in enumerate(receivers, start=1):
        config = world.config(account)
        deposit(world, config, number)
        world.channel.claim([world.row(config, number)], sender=account)
    world.usdc.blacklist(world.verifier, sender=world.owner)
    receipt = world.channel.settleMany([*receivers, world.provider], sender=world.stranger)
    settled = [
        (event.receiver, event.token, event.sender, event.amount)
        for event in world.channel.Settled.from_receipt(receipt)
    ]
    common = (world.usdc.address, world.stranger.address)
    assert settled == [(world.provider.address, *common, 1), (world.treasury.address, *common, 3)]
    assert [event.receiver for event in world.channel.SettleSkipped.from_receipt(receipt)] == [world.verifier.address]
    assert tuple(world.channel.receivers(world.verifier, world.usdc)) == (2, 0)
    with ape.reverts():
        world.channel.settle(world.verifier, world.usdc, sender=world.stranger)
    assert not list(world.channel.settleMany([], sender=world.stranger).decode_logs())


# Withdrawals and refunds --------------------------------------------------------------------------------------------


def test_withdraw__to_the_second_and_to_the_unit(world):
    config = world.config(world.provider)
    deposit(world, config, 5)
    world.channel.claim([world.row(config, 1)], sender=world.provider)
    with ape.reverts(world.channel.WithdrawAmountExceedsAvailable):
        world.channel.initiateWithdraw(key_of(config), 5, sender=world.client)
    receipt = world.channel.initiateWithdraw(key_of(config), 4, sender=world.session)
    now = world.chain.blocks.head.timestamp
    (initiated,) = world.channel.WithdrawInitiated.from_receipt(receipt)
    assert bytes(initiated.channelId) == world.channel_id(config)
    assert (initiated.amount, initiated.finalizeAfter) == (4, now + DELAY)
    assert tuple(world.channel.pendingWithdrawals(world.channel_id(config))) == (4, now)
    at(world, now + DELAY - 1)
    with ape.reverts(world.channel.WithdrawDelayNotElapsed):
        world.channel.finalizeWithdraw(key_of(config), sender=world.client)
    before = world.usdc.balanceOf(world.client)
    at(world, now + DELAY)
    receipt = world.channel.finalizeWithdraw(key_of(config), sender=world.session)
    (finalized,) = world.channel.WithdrawFinalized.from_receipt(receipt)
    assert bytes(finalized.channelId) == world.channel_id(config)
    assert (finalized.sender, finalized.amount) == (world.session.address, 4)
    assert not list(world.channel.ChannelClosed.from_receipt(receipt))
    assert (channel(world, config), world.usdc.balanceOf(world.client)) == ((1, 1), before + 4)
    with ape.reverts(world.channel.WithdrawalNotPending):
        world.channel.finalizeWithdraw(key_of(config), sender=world.client)


@pytest.mark.parametrize(("asked", "claimed", "paid"), [(2, 1, 2), (4, 1, 4), (5, 1, 4), (5, 5, 0), (5, 0, 5)])
def test_withdraw__pays_what_was_asked_for_and_is_left(world, asked, claimed, paid):
    config = world.config(world.provider)
    deposit(world, config, 5)
    world.channel.initiateWithdraw(key_of(config), asked, sender=world.client)
    due = world.chain.blocks.head.timestamp + DELAY
    if claimed:
        world.channel.claim([world.row(config, claimed)], sender=world.provider)
    before = world.usdc.balanceOf(world.client)
    world.pass_to(due)
    receipt = world.channel.finalizeWithdraw(key_of(config), sender=world.client)
    assert [event.amount for event in world.channel.WithdrawFinalized.from_receipt(receipt)] == [paid]
    assert len(list(world.usdc.Transfer.from_receipt(receipt))) == (paid > 0)
    assert (channel(world, config), world.usdc.balanceOf(world.client)) == ((5 - paid, claimed), before + paid)
    closed = list(world.channel.ChannelClosed.from_receipt(receipt))
    assert len(closed) == (paid == 5)
    assert all(same_config(event, config) for event in closed)


@pytest.mark.parametrize(
    ("pending", "refunded", "left"), [(3, 2, (1, True)), (3, 3, (0, False)), (2, 3, (0, False)), (0, 3, (0, False))]
)
def test_refund__takes_off_what_is_pending(world, pending, refunded, left):
    config = world.config(world.provider)
    deposit(world, config, 5)
    if pending:
        world.channel.initiateWithdraw(key_of(config), pending, sender=world.client)
    before = world.usdc.balanceOf(world.client)
    receipt = world.channel.refund(key_of(config), refunded, sender=world.operator)
    (event,) = world.channel.Refunded.from_receipt(receipt)
    assert bytes(event.channelId) == world.channel_id(config)
    assert (event.sender, event.amount) == (world.operator.address, refunded)
    state = world.channel.pendingWithdrawals(world.channel_id(config))
    assert (state.amount, state.initiatedAt > 0) == left
    assert (channel(world, config), world.usdc.balanceOf(world.client)) == ((5 - refunded, 0), before + refunded)


@pytest.mark.parametrize(("asked", "paid"), [(3, 3), (4, 4), (5, 4)])
def test_refund__pays_at_most_what_is_unclaimed(world, asked, paid):
    config = world.config(world.provider)
    deposit(world, config, 5)
    world.channel.claim([world.row(config, 1)], sender=world.provider)
    before = world.usdc.balanceOf(world.client)
    receipt = world.channel.refund(key_of(config), asked, sender=world.provider)
    assert (channel(world, config), world.usdc.balanceOf(world.client)) == ((5 - paid, 1), before + paid)
    assert not list(world.channel.ChannelClosed.from_receipt(receipt))


def test_refund__by_signature_counts_for_one_nonce_only(world):
    config = world.config(world.provider)
    deposit(world, config, 5)

    def refund(nonce: int, signed_nonce: int) -> None:
        message = {"channelId": world.channel_id(config), "nonce": signed_nonce, "amount": 1}
        signature = world.sign_channel(world.operator, "ChannelRefund", **message)
        world.channel.refundWithSignature(key_of(config), 1, nonce, signature, sender=world.stranger)

    refund(0, 0)
    for nonce in (0, 2):
        with ape.reverts(world.channel.InvalidRefundNonce):
            refund(nonce, nonce)
    with ape.reverts(world.channel.InvalidSignature):
        refund(1, 0)
    refund(1, 1)
    assert channel(world, config) == (3, 0)


def test_channels__of_two_salts_are_apart(world):
    one, two = world.config(world.provider), world.config(world.provider, salt=keccak(text="another"))
    deposit(world, one, 5)
    assert (channel(world, one), channel(world, two)) == ((5, 0), (0, 0))
