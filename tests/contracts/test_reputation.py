"""Reputation: stakes come, wait and go; only Escrow binds them."""

from __future__ import annotations

import ape

from tests.contracts.world import FOREVER, USDC, nonce_of

STAKE = 1_000 * USDC


def test_stake__by_call_and_by_authorization(world):
    world.reputation.stake(USDC, sender=world.client)
    assert world.reputation.freeStake(world.client) == USDC
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.stake(0, sender=world.client)
    nonce = nonce_of(("address", world.client.address), ("uint256", 7))
    signature = world.authorization(world.client, world.reputation, 2 * USDC, nonce)
    call = (world.client, 2 * USDC, 0, FOREVER, 7, signature)
    with ape.reverts(world.usdc.InvalidSignature):
        world.reputation.stakeWithAuthorization(world.provider, *call[1:], sender=world.stranger)
    world.reputation.stakeWithAuthorization(*call, sender=world.stranger)
    assert world.reputation.freeStake(world.client) == 3 * USDC


def test_unstake__waits_and_pays_the_agent(world):
    with ape.reverts(world.reputation.Stake_NotRequested):
        world.reputation.completeUnstake(world.provider, sender=world.stranger)
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.requestUnstake(0, sender=world.provider)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.requestUnstake(STAKE + 1, sender=world.provider)
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    assert world.reputation.unstakeRequest(world.provider) == STAKE
    with ape.reverts(world.reputation.Stake_Unbonding):
        world.reputation.completeUnstake(world.provider, sender=world.stranger)
    before = world.usdc.balanceOf(world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    assert world.usdc.balanceOf(world.provider) == before + STAKE


def test_unstake__by_signature_once(world):
    message = {"agent": world.provider.address, "amount": USDC, "nonce": 0, "validUntil": FOREVER}
    signature = world.sign_reputation(world.provider, "Unstake", **message)
    call = (world.provider, USDC, FOREVER, signature)
    world.reputation.requestUnstakeWithSignature(*call, sender=world.stranger)
    with ape.reverts(world.reputation.Stake_InvalidSignature):
        world.reputation.requestUnstakeWithSignature(*call, sender=world.stranger)
    with ape.reverts(world.reputation.Stake_SignatureExpired):
        world.reputation.requestUnstakeWithSignature(world.provider, USDC, 1, signature, sender=world.stranger)


def test_locked_stake_never_leaves_and_stays_slashable_while_unbonding(world):
    terms = world.accepted(amount=4_000 * USDC)
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    stake = world.reputation.stakeOf(world.provider)
    assert (stake.staked, stake.locked) == (800 * USDC, 800 * USDC)
    world.reputation.requestUnstake(800 * USDC, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.completeUnstake(world.provider, sender=world.stranger)
    world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    assert world.reputation.balanceOf(world.client) == 400 * USDC
    assert world.reputation.stakeOf(world.provider).staked == 400 * USDC
    before = world.usdc.balanceOf(world.client)
    world.reputation.withdraw(400 * USDC, sender=world.client)
    assert world.usdc.balanceOf(world.client) == before + 400 * USDC


def test_only_escrow_locks_unlocks_and_slashes(world):
    result = (world.provider, b"\x01" * 32, 1, 1, 1)  # the first arguments of both reports
    for call, args in (
        (world.reputation.lock, (world.provider, b"\x01" * 32, 1)),
        (world.reputation.unlock, (*result, 0)),
        (world.reputation.slash, (*result, 1, 0, world.stranger)),
    ):
        with ape.reverts(world.reputation.Stake_CallerNotEscrow):
            call(*args, sender=world.owner)


def test_success_bonus_is_paid_from_the_pool_and_capped(world):
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.fundBonusPool(0, sender=world.client)
    world.reputation.fundBonusPool(USDC, sender=world.client)
    terms = world.submitted(amount=100 * USDC)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    # 5% of the 20 USDC stake is 1 USDC, half of the 2.5 USDC fee is 1.25 USDC, the pool holds 1 USDC.
    assert world.reputation.balanceOf(world.provider) == USDC
    assert world.reputation.bonusPool() == 0


def test_pause__stops_new_stakes_only(world):
    with ape.reverts(world.reputation.Guarded_CallerNotGuardian):
        world.reputation.pauseInflows(sender=world.owner)
    world.reputation.pauseInflows(sender=world.guardian)
    with ape.reverts(world.reputation.Guarded_InflowsPaused):
        world.reputation.stake(1, sender=world.provider)
    terms = world.accepted()
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    world.reputation.requestUnstake(1, sender=world.provider)
    world.reputation.unpauseInflows(sender=world.owner)
    assert world.escrow.reputation() == world.reputation.address
    assert world.reputation.escrow() == world.escrow.address
