"""PaymentChannel: the x402 surface, pools, packed claims; every typed refusal."""

from __future__ import annotations

import ape
import pytest
from eth_abi import encode

from tests.contracts.world import FOREVER, USDC, ZERO, nonce_of

DELAY = 86400


def deposit(world, config, amount, sender=None):
    return world.channel.deposit(tuple(config.values()), amount, ZERO, b"", sender=sender or world.client)


def packed(world, config, total, ceiling=None, signer=None):
    """One row of `claimBatch`."""
    (_, signature, _) = world.row(config, total, ceiling, signer)
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    vs = (s | ((v - 27) << 255)).to_bytes(32, "big")
    receiver = bytes.fromhex(config["receiver"][2:])
    return receiver + total.to_bytes(12, "big") + (total if ceiling is None else ceiling).to_bytes(12, "big") + r + vs


def group(world, rows):
    config = world.config(world.provider)
    return (config["payer"], config["payerAuthorizer"], config["withdrawDelay"], config["salt"], rows)


# x402 ---------------------------------------------------------------------------------------------------------------


def test_deposit__claim_and_settle_as_x402_does(world):
    config = world.config(world.provider)
    receipt = deposit(world, config, 5 * USDC)
    assert len(world.channel.ChannelCreated.from_receipt(receipt)) == 1
    rows = [world.row(config, 2 * USDC, 3 * USDC)]
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    assert tuple(world.channel.channels(world.channel_id(config))) == (5 * USDC, 2 * USDC)
    before = world.usdc.balanceOf(world.provider)
    world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    assert world.usdc.balanceOf(world.provider) == before + 2 * USDC
    assert tuple(world.channel.receivers(world.provider, world.usdc)) == (2 * USDC, 2 * USDC)
    assert tuple(world.channel.receivers(world.provider, world.stranger)) == (0, 0)
    with ape.reverts(world.channel.UnsupportedToken):
        world.channel.settle(world.provider, world.stranger, sender=world.stranger)


def test_deposit__through_the_collector_by_one_signature(world):
    config = world.config(world.provider)
    nonce = nonce_of(("bytes32", world.channel_id(config)), ("uint256", 9))
    signature = world.authorization(world.client, world.collector, 5 * USDC, nonce)
    data = encode(["uint256", "uint256", "uint256", "bytes"], [0, FOREVER, 9, signature])
    world.channel.deposit(tuple(config.values()), 5 * USDC, world.collector, data, sender=world.stranger)
    assert world.channel.channels(world.channel_id(config)).balance == 5 * USDC
    other = world.config(world.stranger)
    with ape.reverts(world.usdc.InvalidSignature):
        world.channel.deposit(tuple(other.values()), 5 * USDC, world.collector, data, sender=world.stranger)
    with ape.reverts(world.collector.CallerNotChannel):
        world.collector.collect(world.client, world.usdc, 1, b"\x00" * 32, data, sender=world.stranger)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"payer": ZERO}, "InvalidChannel"),
        ({"receiver": ZERO}, "InvalidChannel"),
        ({"receiverAuthorizer": ZERO}, "InvalidChannel"),
        ({"token": "0x" + "11" * 20}, "UnsupportedToken"),
        ({"withdrawDelay": 899}, "WithdrawDelayOutOfRange"),
        ({"withdrawDelay": 30 * DELAY + 1}, "WithdrawDelayOutOfRange"),
    ],
)
def test_deposit__reverts_on_an_unsound_config(world, changes, error):
    with ape.reverts(getattr(world.channel, error)):
        deposit(world, world.config(world.provider, **changes), USDC)


def test_deposit__reverts_on_unknown_roads(world):
    config = world.config(world.provider)
    with ape.reverts(world.channel.ZeroDeposit):
        deposit(world, config, 0)
    with ape.reverts(world.channel.InvalidCollector):
        deposit(world, config, 1, world.stranger)
    with ape.reverts(world.channel.UnsupportedCollector):
        world.channel.deposit(tuple(config.values()), 1, world.stranger, b"", sender=world.client)


def test_claim__typed_refusals(world):
    config = world.config(world.provider)
    deposit(world, config, 5 * USDC)
    good = [world.row(config, USDC)]
    with ape.reverts(world.channel.EmptyBatch):
        world.channel.claim([], sender=world.provider)
    with ape.reverts(world.channel.NotAuthorizedToClaim):
        world.channel.claim(good, sender=world.stranger)
    with ape.reverts(world.channel.ClaimExceedsCeiling):
        world.channel.claim([world.row(config, 2, 1)], sender=world.provider)
    with ape.reverts(world.channel.ClaimExceedsBalance):
        world.channel.claim([world.row(config, 6 * USDC)], sender=world.provider)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claim([world.row(config, USDC, signer=world.stranger)], sender=world.provider)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claimWithSignature(good, world.receipt(good, world.stranger), sender=world.stranger)
    mixed = [*good, world.row(world.config(world.provider, receiverAuthorizer=world.stranger.address), USDC)]
    with ape.reverts(world.channel.NotReceiverAuthorizer):
        world.channel.claimWithSignature(mixed, world.receipt(mixed), sender=world.stranger)
    world.channel.claim(good, sender=world.provider)
    assert world.channel.channels(world.channel_id(config)).totalClaimed == USDC


def test_refund__by_call_and_by_signature(world):
    config = world.config(world.provider)
    key = tuple(config.values())
    deposit(world, config, 5 * USDC)
    before = world.usdc.balanceOf(world.client)
    with ape.reverts(world.channel.NotAuthorizedToRefund):
        world.channel.refund(key, 1, sender=world.client)
    with ape.reverts(world.channel.ZeroRefund):
        world.channel.refund(key, 0, sender=world.provider)
    world.channel.refund(key, USDC, sender=world.provider)
    message = {"channelId": world.channel_id(config), "nonce": 1, "amount": 9 * USDC}
    signature = world.sign_channel(world.operator, "ChannelRefund", **message)
    with ape.reverts(world.channel.InvalidRefundNonce):
        world.channel.refundWithSignature(key, 9 * USDC, 0, signature, sender=world.stranger)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.refundWithSignature(key, 8 * USDC, 1, signature, sender=world.stranger)
    world.channel.refundWithSignature(key, 9 * USDC, 1, signature, sender=world.stranger)
    assert world.usdc.balanceOf(world.client) == before + 5 * USDC
    assert world.channel.refundNonce(world.channel_id(config)) == 2


def test_withdraw__waits_for_the_delay(world):
    config = world.config(world.provider)
    key = tuple(config.values())
    deposit(world, config, 5 * USDC)
    with ape.reverts(world.channel.InvalidChannel):
        world.channel.initiateWithdraw(key, 1, sender=world.provider)
    with ape.reverts(world.channel.NothingToWithdraw):
        world.channel.initiateWithdraw(key, 0, sender=world.client)
    with ape.reverts(world.channel.WithdrawAmountExceedsAvailable):
        world.channel.initiateWithdraw(key, 6 * USDC, sender=world.client)
    with ape.reverts(world.channel.WithdrawalNotPending):
        world.channel.finalizeWithdraw(key, sender=world.client)
    world.channel.initiateWithdraw(key, 5 * USDC, sender=world.client)
    with ape.reverts(world.channel.WithdrawalAlreadyPending):
        world.channel.initiateWithdraw(key, 1, sender=world.client)
    with ape.reverts(world.channel.WithdrawDelayNotElapsed):
        world.channel.finalizeWithdraw(key, sender=world.client)
    with ape.reverts(world.channel.NotAuthorizedToFinalizeWithdraw):
        world.channel.finalizeWithdraw(key, sender=world.stranger)
    world.channel.claim([world.row(config, USDC)], sender=world.provider)
    before = world.usdc.balanceOf(world.client)
    world.pass_to(world.now() + DELAY)
    world.channel.finalizeWithdraw(key, sender=world.client)
    assert world.usdc.balanceOf(world.client) == before + 4 * USDC


def test_multicall__claims_and_refunds_in_one_transaction(world):
    config = world.config(world.provider)
    deposit(world, config, 5 * USDC)
    rows = [world.row(config, USDC)]
    message = {"channelId": world.channel_id(config), "nonce": 0, "amount": 4 * USDC}
    signature = world.sign_channel(world.operator, "ChannelRefund", **message)
    claim = world.channel.claimWithSignature.encode_input(rows, world.receipt(rows))
    refund = world.channel.refundWithSignature.encode_input(tuple(config.values()), 4 * USDC, 0, signature)
    world.channel.multicall([claim, refund], sender=world.stranger)
    assert tuple(world.channel.channels(world.channel_id(config))) == (USDC, USDC)


# Pools --------------------------------------------------------------------------------------------------------------


def test_pool__pays_agents_without_a_channel_deposit(world):
    world.open_pool()
    one, two = world.config(world.provider), world.config(world.verifier)
    rows = packed(world, one, USDC) + packed(world, two, 400_000)
    receipt = world.channel.claimBatch(world.operator, [group(world, rows)], b"", sender=world.operator)
    assert len(world.channel.Claimed.from_receipt(receipt)) == 2
    assert [event.amount for event in world.channel.PoolDrawn.from_receipt(receipt)] == [1_400_000]
    assert len(world.channel.ChannelCreated.from_receipt(receipt)) == 2
    assert world.pool().balance == 3_600_000
    world.channel.settleMany([world.provider, world.verifier], sender=world.stranger)
    assert world.usdc.balanceOf(world.verifier) == 400_000


def test_pool__deposit_by_one_signature_commits_to_the_pool(world):
    nonce = nonce_of(("bytes32", world.pool_id()), ("uint256", 3))
    signature = world.authorization(world.client, world.channel, 5 * USDC, nonce)
    tail = (5 * USDC, 0, FOREVER, 3, signature)
    with ape.reverts(world.usdc.InvalidSignature):
        world.channel.depositPoolWithAuthorization(
            world.client, world.stranger, world.operator, *tail, sender=world.stranger
        )
    world.channel.depositPoolWithAuthorization(*world.pool_key(), *tail, sender=world.stranger)
    assert world.pool().balance == 5 * USDC
    with ape.reverts(world.channel.PoolAmountZero):
        world.open_pool(0)
    with ape.reverts(world.channel.InvalidChannel):
        world.channel.depositPool(world.session, ZERO, 1, sender=world.client)


def test_pool__a_receipt_is_money_without_anybodys_help(world):
    world.open_pool()
    rows = [world.row(world.config(world.provider), USDC)]
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.provider)
    world.channel.settle(world.provider, world.usdc, sender=world.provider)
    assert world.pool().balance == 4 * USDC
    more = [world.row(world.config(world.provider), 6 * USDC)]
    with ape.reverts(world.channel.PoolInsufficient):
        world.channel.claimWithSignature(more, world.receipt(more), sender=world.provider)


def test_claim_batch__authorised_by_signature_and_skips_bad_rows(world):
    world.open_pool(2 * USDC)
    good = world.config(world.provider)
    other = world.config(world.verifier)
    rows = b"".join(
        (
            packed(world, good, USDC),
            packed(world, good, USDC),  # stale
            packed(world, other, 2, 1),  # above the ceiling
            packed(world, other, USDC, signer=world.stranger),  # wrong key
            packed(world, other, 9 * USDC),  # above the pool
            packed(world, world.config(world.verifier, receiver=ZERO), 1),
            b"\x01",
        )
    )
    groups = [group(world, rows)]
    digest = world.channel.getGroupsDigest(world.operator, groups)
    entries = [
        world.row(good, USDC),
        world.row(good, USDC),
        world.row(other, 2, 1),
        world.row(other, USDC),
        world.row(other, 9 * USDC),
        world.row(world.config(world.verifier, receiver=ZERO), 1),
    ]
    assert world.channel.getClaimBatchDigest(entries) == digest
    with ape.reverts(world.channel.NotAuthorizedToClaim):
        world.channel.claimBatch(world.operator, groups, b"", sender=world.stranger)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claimBatch(world.operator, groups, b"\x01" * 65, sender=world.stranger)
    with ape.reverts(world.channel.EmptyBatch):
        world.channel.claimBatch(world.operator, [], b"", sender=world.operator)
    receipt = world.channel.claimBatch(world.operator, groups, world.receipt(entries), sender=world.stranger)
    skipped = [(event.row, event.reason) for event in world.channel.RowSkipped.from_receipt(receipt)]
    assert skipped == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]
    assert world.pool().balance == USDC


def test_pool_withdraw__waits_a_day_and_receipts_come_first(world):
    world.open_pool()
    key = (world.session, world.operator)
    with ape.reverts(world.channel.PoolWithdrawalNotPending):
        world.channel.cancelPoolWithdraw(*key, sender=world.client)
    with ape.reverts(world.channel.PoolAmountZero):
        world.channel.initiatePoolWithdraw(*key, 0, sender=world.client)
    world.channel.initiatePoolWithdraw(*key, 9 * USDC, sender=world.client)
    with ape.reverts(world.channel.PoolWithdrawalAlreadyPending):
        world.channel.initiatePoolWithdraw(*key, 1, sender=world.client)
    with ape.reverts(world.channel.PoolWithdrawDelayNotElapsed):
        world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    world.open_pool(USDC)
    rows = [world.row(world.config(world.provider), 2 * USDC)]
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    before = world.usdc.balanceOf(world.client)
    world.pass_to(world.pool().finalizeAt)
    world.channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    assert world.usdc.balanceOf(world.client) == before + 4 * USDC
    assert tuple(world.pool()) == (0, 0, 0, 2)


def test_pool_withdraw__by_signature_with_nonce(world):
    world.open_pool()

    def signature(amount, cancel, nonce, signer=None):
        fields = {"poolId": world.pool_id(), "amount": amount, "cancel": cancel}
        return world.sign_channel(signer or world.client, "PoolWithdraw", **fields, nonce=nonce, validUntil=FOREVER)

    start = signature(USDC, False, 0)
    initiate = world.channel.initiatePoolWithdrawWithSignature
    cancel = world.channel.cancelPoolWithdrawWithSignature
    key = world.pool_key()
    with ape.reverts(world.channel.InvalidSignature):
        initiate(*key, USDC, 0, FOREVER, signature(USDC, False, 0, world.operator), sender=world.stranger)
    with ape.reverts(world.channel.AuthorizationExpired):
        initiate(*key, USDC, 0, 1, start, sender=world.stranger)
    initiate(*key, USDC, 0, FOREVER, start, sender=world.stranger)
    with ape.reverts(world.channel.PoolNonceMismatch):
        cancel(*key, 0, FOREVER, signature(0, True, 0), sender=world.stranger)
    cancel(*key, 1, FOREVER, signature(0, True, 1), sender=world.stranger)
    with ape.reverts(world.channel.PoolNonceMismatch):
        initiate(*key, USDC, 0, FOREVER, start, sender=world.stranger)
    assert tuple(world.pool()) == (5 * USDC, 0, 0, 2)


def test_release_pool__shortens_but_never_pays_at_once(world):
    world.open_pool()
    world.channel.initiatePoolWithdraw(world.session, world.operator, USDC, sender=world.client)
    key = world.pool_key()
    with ape.reverts(world.channel.NotPoolOperator):
        world.channel.releasePool(*key, 1, sender=world.client)
    with ape.reverts(world.channel.PoolNonceMismatch):
        world.channel.releasePool(*key, 0, sender=world.operator)
    message = {"poolId": world.pool_id(), "nonce": 1, "validUntil": FOREVER}
    signature = world.sign_channel(world.operator, "PoolRelease", **message)
    world.channel.releasePoolWithSignature(*key, 1, FOREVER, signature, sender=world.stranger)
    finalize_at = world.pool().finalizeAt
    assert finalize_at == world.chain.blocks.head.timestamp + 900
    with ape.reverts(world.channel.PoolWithdrawDelayNotElapsed):
        world.channel.finalizePoolWithdraw(*key, sender=world.stranger)
    world.channel.releasePool(*key, 1, sender=world.operator)
    assert world.pool().finalizeAt == finalize_at
    world.pass_to(finalize_at)
    world.channel.finalizePoolWithdraw(*key, sender=world.stranger)
    assert world.pool().balance == 4 * USDC


def test_settle_many__a_blacklisted_receiver_blocks_nobody_and_keeps_his_claim(world):
    world.open_pool()
    rows = [world.row(world.config(who), USDC) for who in (world.provider, world.verifier)]
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    world.usdc.blacklist(world.provider, sender=world.owner)
    receipt = world.channel.settleMany([world.provider, world.verifier], sender=world.stranger)
    assert [event.receiver for event in world.channel.SettleSkipped.from_receipt(receipt)] == [world.provider]
    assert world.usdc.balanceOf(world.verifier) == USDC
    world.usdc.unBlacklist(world.provider, sender=world.owner)
    world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    assert tuple(world.channel.receivers(world.provider, world.usdc)) == (USDC, USDC)


def test_pause__stops_deposits_and_nothing_else(world):
    world.open_pool()
    config = world.config(world.provider)
    with ape.reverts(world.channel.Guarded_CallerNotGuardian):
        world.channel.pauseInflows(sender=world.owner)
    world.channel.pauseInflows(sender=world.guardian)
    with ape.reverts(world.channel.Guarded_InflowsPaused):
        world.open_pool()
    with ape.reverts(world.channel.Guarded_InflowsPaused):
        deposit(world, config, 1)
    rows = [world.row(config, USDC)]
    world.channel.claimWithSignature(rows, world.receipt(rows), sender=world.stranger)
    world.channel.settle(world.provider, world.usdc, sender=world.stranger)
    world.channel.initiatePoolWithdraw(world.session, world.operator, USDC, sender=world.client)
    world.channel.unpauseInflows(sender=world.guardian)


def test_digests_equal_those_of_the_shared_typed_data(world):
    config = world.config(world.provider)
    key = {"payer": world.client.address, "payerAuthorizer": world.session.address}
    signatures = (
        (world.sign_channel(world.client, "ChannelConfig", **config), world.channel_id(config)),
        (world.sign_channel(world.client, "PoolKey", **key, operator=world.operator.address), world.pool_id()),
    )
    for signature, digest in signatures:
        signed = world.client.sign_raw_msghash(bytes(digest))
        assert signature == signed.r + signed.s + bytes([signed.v])
