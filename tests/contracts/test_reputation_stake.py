"""Reputation's stake side, seen from wallets: what comes in, waits and goes, and who cannot hurry it."""

from __future__ import annotations

import ape
import pytest

from tests.contracts.refusals import CONSENTING, REVERTING, refusal
from tests.contracts.signatures import compact, forged, malformed
from tests.contracts.world import FOREVER, USDC, nonce_of

STAKE = 1_000 * USDC


def authorized(world, agent, amount, salt, signer=None):
    nonce = nonce_of(("address", agent.address), ("uint256", salt))
    signature = world.authorization(signer or agent, world.reputation, amount, nonce)
    return (agent, amount, 0, FOREVER, salt, signature)


def test_stake__adds_and_emits(world):
    receipt = world.reputation.stake(USDC, sender=world.provider)
    assert world.reputation.stakeOf(world.provider).staked == STAKE + USDC
    staked = [event for event in receipt.events if event.event_name == "Staked"]
    assert [(event.agent, event.amount, event.staked) for event in staked] == [
        (world.provider.address, USDC, STAKE + USDC)
    ]


def test_stake__reverts_when_amount_is_zero(world):
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.stake(0, sender=world.provider)


def test_stake__reverts_when_inflows_are_paused(world):
    world.reputation.pauseInflows(sender=world.guardian)
    with ape.reverts(world.reputation.Guarded_InflowsPaused):
        world.reputation.stake(USDC, sender=world.provider)


def test_stake__reverts_when_token_refuses(world):
    world.usdc.blacklist(world.provider, sender=world.owner)
    with ape.reverts():
        world.reputation.stake(USDC, sender=world.provider)
    assert world.reputation.stakeOf(world.provider).staked == STAKE


def test_stake_with_authorization__stakes_for_the_signer_whoever_sends(world):
    world.reputation.stakeWithAuthorization(*authorized(world, world.client, USDC, 1), sender=world.stranger)
    assert world.reputation.freeStake(world.client) == USDC


@pytest.mark.parametrize("field", ["agent", "amount", "salt"])
def test_stake_with_authorization__reverts_when_anything_signed_is_changed(world, field):
    call = list(authorized(world, world.client, USDC, 1))
    call[{"agent": 0, "amount": 1, "salt": 4}[field]] = {"agent": world.stranger, "amount": 2 * USDC, "salt": 2}[field]
    answer = refusal(world, world.reputation.stakeWithAuthorization, *call, sender=world.stranger)
    assert answer == "InvalidSignature"


def test_stake_with_authorization__reverts_when_used_twice(world):
    call = authorized(world, world.client, USDC, 1)
    world.reputation.stakeWithAuthorization(*call, sender=world.stranger)
    answer = refusal(world, world.reputation.stakeWithAuthorization, *call, sender=world.stranger)
    assert answer == "AuthorizationUsedOrCanceled"


def test_stake_with_authorization__reverts_when_inflows_are_paused(world):
    world.reputation.pauseInflows(sender=world.guardian)
    with ape.reverts(world.reputation.Guarded_InflowsPaused):
        world.reputation.stakeWithAuthorization(*authorized(world, world.client, USDC, 1), sender=world.stranger)


def test_request_unstake__starts_the_wait_and_a_new_request_starts_it_again(world):
    world.reputation.requestUnstake(USDC, sender=world.provider)
    first = world.reputation.stakeOf(world.provider).unbondAt
    world.pass_to(first - 1)
    world.reputation.requestUnstake(2 * USDC, sender=world.provider)
    assert world.reputation.stakeOf(world.provider).unbondAt >= first + world.reputation.unbondingPeriod() - 1
    assert world.reputation.unstakeRequest(world.provider) == 2 * USDC
    with ape.reverts(world.reputation.Stake_Unbonding):
        world.reputation.completeUnstake(world.provider, sender=world.stranger)


def test_request_unstake__reverts_when_amount_is_zero(world):
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.requestUnstake(0, sender=world.provider)


def test_request_unstake__reverts_when_above_the_stake(world):
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.requestUnstake(STAKE + 1, sender=world.provider)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.requestUnstake(1, sender=world.stranger)


def unstake(agent, until=FOREVER):
    return {"agent": agent.address, "amount": USDC, "nonce": 0, "validUntil": until}


def request(world, signature, until=FOREVER, **asked):
    call = (world.reputation.requestUnstakeWithSignature, world.provider, USDC, until, signature)
    return refusal(world, *call, sender=world.stranger, **asked)


def test_request_unstake_with_signature__reverts_when_of_another_key_place_or_message(world):
    domain = world.domain("AICP Reputation", "1", world.reputation)
    wrong = forged(world.provider, (world.client, world.stranger), domain, "Unstake", unstake(world.provider))
    refused = {what: request(world, signature) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "Stake_InvalidSignature")


def test_request_unstake_with_signature__counts_to_its_last_second(world):
    until = world.now() + 60
    signature = world.sign_reputation(world.provider, "Unstake", **unstake(world.provider, until))
    assert request(world, signature, until, at=until) == ""
    assert request(world, signature, until, at=until + 1) == "Stake_SignatureExpired"


def test_request_unstake_with_signature__of_an_account_with_code(world):
    address = world.provider.address
    own = world.sign_reputation(world.provider, "Unstake", **unstake(world.provider))
    assert request(world, b"whatever it likes", code={address: CONSENTING}) == ""
    assert request(world, compact(own), code={address: REVERTING}) == ""
    assert {request(world, bad, code={address: REVERTING}) for bad in malformed(own).values()} == {
        "Stake_InvalidSignature"
    }


def test_complete_unstake__reverts_when_nothing_was_requested(world):
    with ape.reverts(world.reputation.Stake_NotRequested):
        world.reputation.completeUnstake(world.provider, sender=world.provider)


def test_complete_unstake__reverts_when_second_before_the_time(world):
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt - 2)
    with ape.reverts(world.reputation.Stake_Unbonding):
        world.reputation.completeUnstake(world.provider, sender=world.provider)


def test_complete_unstake__reverts_when_everything_is_locked(world):
    world.accepted(amount=5_000 * USDC)
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.reputation.completeUnstake(world.provider, sender=world.provider)


def test_complete_unstake__pays_once(world):
    world.reputation.requestUnstake(USDC, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    with ape.reverts(world.reputation.Stake_NotRequested):
        world.reputation.completeUnstake(world.provider, sender=world.stranger)
    assert world.reputation.stakeOf(world.provider).staked == STAKE - USDC


def test_complete_unstake__pays_what_a_slash_has_left(world):
    terms = world.accepted(amount=4_000 * USDC)
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    world.pass_to(terms.deliver_by)
    world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    before = world.usdc.balanceOf(world.provider)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    assert world.usdc.balanceOf(world.provider) == before + 600 * USDC
    assert world.reputation.stakeOf(world.provider).staked == 0


def test_complete_unstake__reverts_while_the_token_refuses_and_loses_nothing(world):
    world.reputation.requestUnstake(STAKE, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    world.usdc.blacklist(world.provider, sender=world.owner)
    with ape.reverts():
        world.reputation.completeUnstake(world.provider, sender=world.stranger)
    assert world.reputation.stakeOf(world.provider).staked == STAKE
    world.usdc.unBlacklist(world.provider, sender=world.owner)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    assert world.reputation.stakeOf(world.provider).staked == 0


def test_fund_bonus_pool__grows_the_pool(world):
    world.reputation.fundBonusPool(USDC, sender=world.client)
    assert world.reputation.bonusPool() == USDC


def test_fund_bonus_pool__reverts_when_amount_is_zero(world):
    with ape.reverts(world.reputation.Stake_AmountZero):
        world.reputation.fundBonusPool(0, sender=world.client)


def test_fund_bonus_pool__reverts_when_inflows_are_paused(world):
    world.reputation.pauseInflows(sender=world.guardian)
    with ape.reverts(world.reputation.Guarded_InflowsPaused):
        world.reputation.fundBonusPool(USDC, sender=world.client)
