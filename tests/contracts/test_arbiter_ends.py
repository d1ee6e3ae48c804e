"""DisputeArbiter: rulings are carried out, everybody is paid, jurors stake and leave."""

from __future__ import annotations

import ape
import pytest

from tests.contracts.court import (
    APPEAL,
    DAY,
    FEE,
    STAKE,
    WRONG,
)
from tests.contracts.world import FOREVER, nonce_of

# ends ----------------------------------------------------------------------------------------------------------------


def test_execute_ruling__once_and_only_when_final(court):
    dispute = court.panelled()
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.executeRuling(dispute, sender=court.anyone)
    court.vote(dispute, 2, 2, 1)
    court.end(dispute, APPEAL)
    court.arbiter.executeRuling(dispute, sender=court.anyone)
    assert (court.asker.rulings(dispute), court.asker.lastRuling(dispute)) == (1, 2)
    with ape.reverts(court.arbiter.Arbiter_AlreadyExecuted):
        court.arbiter.executeRuling(dispute, sender=court.anyone)


@pytest.mark.parametrize("manner", [1, 2, 3, 4])
def test_execute_ruling__a_failing_arbitrable_changes_nothing(court, manner):
    dispute = court.solved(1, 1, 1)
    court.asker.behave(manner, sender=court.anyone)
    receipt = court.arbiter.executeRuling(dispute, gas_limit=2_000_000, sender=court.anyone)
    assert len(receipt.events.filter(court.arbiter.RulingUndelivered)) == 1
    assert (court.arbiter.currentRuling(dispute), court.arbiter.disputeStatus(dispute)) == (1, 2)


def test_execute_ruling__reverts_when_the_arbitrable_would_starve(court):
    dispute = court.solved(1, 1, 1)
    with ape.reverts(court.arbiter.Arbiter_InsufficientGas):
        court.arbiter.executeRuling(dispute, gas_limit=350_000, sender=court.anyone)


def test_claim__pays_coherent_jurors_out_of_fee_and_penalties(court):
    dispute = court.panelled()
    coherent, wrong, silent = court.panel(dispute)
    court.vote(dispute, 1, 2, None)
    court.end(dispute, APPEAL)
    assert court.arbiter.currentRuling(dispute) == 0  # a tie: nobody is wrong, silence still costs
    for juror in (coherent, wrong, silent):
        court.arbiter.claim(dispute, 0, juror, sender=court.anyone)
        with ape.reverts(court.arbiter.Arbiter_NothingDue):
            court.arbiter.claim(dispute, 0, juror, sender=court.anyone)
    each = (3 * FEE + STAKE) // 2
    assert [court.arbiter.balanceOf(juror) for juror in (coherent, wrong, silent)] == [each, each, 0]
    assert [court.arbiter.jurorOf(j).free for j in (coherent, wrong, silent)] == [8 * STAKE, 8 * STAKE, 7 * STAKE]


def test_claim__wrong_votes_lose_less_than_silence_and_refusals_nothing(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 2)
    court.end(dispute, APPEAL)
    wrong = court.panel(dispute)[2]
    court.arbiter.claim(dispute, 0, wrong, sender=court.anyone)
    assert court.arbiter.jurorOf(wrong).free == 8 * STAKE - WRONG
    dispute = court.panelled(2)
    refused = court.panel(dispute)[2]
    before = court.arbiter.jurorOf(refused)
    court.vote(dispute, 1, 1, 0)
    court.end(dispute, APPEAL)
    court.arbiter.claim(dispute, 0, refused, sender=court.anyone)
    after = court.arbiter.jurorOf(refused)
    assert (after.free + after.locked, after.locked) == (before.free + before.locked, before.locked - STAKE)
    assert court.arbiter.balanceOf(refused) == 0


def test_claim__reverts_before_the_end_and_for_others(court):
    dispute = court.panelled()
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.claim(dispute, 0, court.panel(dispute)[0], sender=court.anyone)
    court.vote(dispute, 1, 1, 1)
    court.end(dispute, APPEAL)
    with ape.reverts(court.arbiter.Arbiter_NothingDue):
        court.arbiter.claim(dispute, 0, court.anyone, sender=court.anyone)


def test_sweep__gives_the_sink_what_nobody_earned_once(court):
    dispute = court.solved(None, None, None)
    before = court.arbiter.balanceOf(court.world.treasury)
    court.arbiter.sweep(dispute, 0, sender=court.anyone)
    assert court.arbiter.balanceOf(court.world.treasury) == before + 3 * FEE + 3 * STAKE
    for number in (0, 1):
        with ape.reverts(court.arbiter.Arbiter_NothingDue):
            court.arbiter.sweep(dispute, number, sender=court.anyone)


def test_sweep__reverts_before_the_end(court):
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.sweep(court.panelled(), 0, sender=court.anyone)


def test_claim_contribution__goes_to_the_side_of_the_ruling(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    court.fund(dispute, 2, 14 * FEE)
    court.fund(dispute, 1, 7 * FEE)
    court.open_session()
    court.draw(dispute)
    client, provider = court.world.client, court.world.provider
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.claimContribution(dispute, 0, client, sender=court.anyone)
    court.vote(dispute, *[1] * 7)
    court.end(dispute, APPEAL)
    for party in (client, provider):
        court.arbiter.claimContribution(dispute, 0, party, sender=court.anyone)
        with ape.reverts(court.arbiter.Arbiter_NothingDue):
            court.arbiter.claimContribution(dispute, 0, party, sender=court.anyone)
    assert (court.arbiter.balanceOf(client), court.arbiter.balanceOf(provider)) == (14 * FEE, 0)


def test_claim_contribution__comes_back_whole_when_no_round_followed(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    court.fund(dispute, 2, 5 * FEE)
    court.end(dispute, APPEAL)
    court.arbiter.claimContribution(dispute, 0, court.world.provider, sender=court.anyone)
    assert court.arbiter.balanceOf(court.world.provider) == 5 * FEE


# stakes --------------------------------------------------------------------------------------------------------------


def test_juror_stake__by_call_and_by_authorization(court):
    world, arbiter = court.world, court.arbiter
    with ape.reverts(arbiter.Arbiter_AmountZero):
        arbiter.stake(0, sender=world.client)
    arbiter.stake(STAKE, sender=world.client)
    assert arbiter.jurorOf(world.client).weight == 0  # below the least stake
    nonce = nonce_of(("address", world.client.address), ("uint256", 7))
    signature = world.authorization(world.client, arbiter, STAKE, nonce)
    call = (STAKE, 0, FOREVER, 7, signature)
    with ape.reverts(world.usdc.InvalidSignature):
        arbiter.stakeWithAuthorization(world.provider, *call, sender=court.anyone)
    arbiter.stakeWithAuthorization(world.client, *call, sender=court.anyone)
    assert arbiter.jurorOf(world.client).weight == 2 * STAKE


def test_stake__pause_stops_new_stakes_only(court):
    dispute = court.panelled()
    court.arbiter.pauseInflows(sender=court.world.guardian)
    with ape.reverts(court.arbiter.Guarded_InflowsPaused):
        court.arbiter.stake(1, sender=court.world.client)
    court.ask(2)
    court.vote(dispute, 1, 1, 1)
    court.fund(dispute, 2, FEE)
    court.end(dispute, APPEAL)
    court.arbiter.executeRuling(dispute, sender=court.anyone)
    court.arbiter.unpauseInflows(sender=court.world.owner)
    court.arbiter.stake(1, sender=court.world.client)


def test_unstake__waits_and_never_takes_what_is_at_risk(court):
    arbiter, juror = court.arbiter, court.jurors[0]
    with ape.reverts(arbiter.Arbiter_InsufficientStake):
        arbiter.requestUnstake(8 * STAKE + 1, sender=juror)
    dispute = court.panelled()
    drawn = court.panel(dispute)[0]
    with ape.reverts(arbiter.Arbiter_Unbonding):
        arbiter.completeUnstake(drawn, sender=court.anyone)
    arbiter.requestUnstake(8 * STAKE, sender=drawn)
    assert arbiter.jurorOf(drawn).weight == 0
    with ape.reverts(arbiter.Arbiter_Unbonding):
        arbiter.completeUnstake(drawn, sender=court.anyone)
    court.later(7 * DAY)
    before = court.world.usdc.balanceOf(drawn)
    arbiter.completeUnstake(drawn, sender=court.anyone)
    assert court.world.usdc.balanceOf(drawn) == before + 7 * STAKE
    assert arbiter.jurorOf(drawn).locked == STAKE
    arbiter.requestUnstake(STAKE, sender=drawn)
    court.later(7 * DAY)
    with ape.reverts(arbiter.Arbiter_InsufficientStake):
        arbiter.completeUnstake(drawn, sender=court.anyone)


def test_unstake__by_signature_once_and_taken_back(court):
    arbiter, juror = court.arbiter, court.jurors[0]
    message = {"agent": juror.address, "amount": 8 * STAKE, "nonce": 0, "validUntil": FOREVER}
    call = (juror, 8 * STAKE, FOREVER, court.sign(juror, "JurorUnstake", **message))
    arbiter.requestUnstakeWithSignature(*call, sender=court.anyone)
    assert arbiter.jurorOf(juror).weight == 0
    with ape.reverts(arbiter.Arbiter_InvalidSignature):
        arbiter.requestUnstakeWithSignature(*call, sender=court.anyone)
    with ape.reverts(arbiter.Arbiter_SignatureExpired):
        arbiter.requestUnstakeWithSignature(juror, STAKE, 1, b"", sender=court.anyone)
    arbiter.requestUnstake(0, sender=juror)
    assert arbiter.jurorOf(juror).weight == 8 * STAKE


def test_sync_weight__changes_wait_while_weights_are_frozen(court):
    arbiter, juror = court.arbiter, court.jurors[0]
    dispute = court.waiting()
    court.open_session()
    total = arbiter.totalWeight()
    arbiter.stake(4 * STAKE, sender=juror)
    arbiter.requestUnstake(8 * STAKE, sender=court.jurors[1])
    assert arbiter.totalWeight() == total
    with ape.reverts(arbiter.Arbiter_SessionNotReady):
        arbiter.syncWeight(juror, sender=court.anyone)
    with ape.reverts(arbiter.Arbiter_SessionNotReady):
        arbiter.completeUnstake(court.jurors[1], sender=court.anyone)
    court.draw(dispute)
    for account in court.jurors[:2]:
        arbiter.syncWeight(account, sender=court.anyone)
    assert arbiter.totalWeight() == total - 4 * STAKE
