"""DisputeArbiter: disputes, draws, votes and appeals, function by function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_account import Account

from tests.contracts.court import (
    APPEAL,
    COMMIT,
    DAY,
    DRAWING,
    DRAWS,
    EVIDENCE,
    FEE,
    GENERATING,
    HOUR,
    LEAK,
    REVEAL,
    SALT,
    SOLVED,
    STAKE,
    STAKING,
    WRONG,
    config,
)
from tests.contracts.world import FOREVER, USDC, ZERO, nonce_of

# createDispute ---------------------------------------------------------------------------------------------------


def test_create_dispute__takes_exactly_the_fee(court):
    usdc, arbiter = court.world.usdc, court.arbiter
    before = usdc.balanceOf(arbiter)
    dispute = court.ask()
    assert usdc.balanceOf(arbiter) == before + 3 * FEE
    assert usdc.allowance(court.asker, arbiter) == 0
    assert dispute == court.id_of() < 2**160
    state = court.state(dispute)
    assert (state.arbitrable, state.period) == (court.asker.address, EVIDENCE)
    assert arbiter.disputeStatus(dispute) == 0
    assert arbiter.currentRuling(dispute) == 0


def test_create_dispute__reverts_when_the_fee_is_not_exact(court):
    for token, fee in ((court.world.usdc, 3 * FEE - 1), (court.world.usdc, 3 * FEE + 1), (court.asker, 3 * FEE)):
        with ape.reverts(court.arbiter.Arbiter_FeeMismatch):
            court.arbiter.createDispute(2, court.extra(), token, fee, sender=court.world.client)


def test_create_dispute__reverts_when_there_are_not_two_choices(court):
    for choices in (0, 1, 3):
        with ape.reverts(court.arbiter.Arbiter_ChoicesNotSupported):
            court.arbiter.createDispute(choices, court.extra(), court.world.usdc, 3 * FEE, sender=court.world.client)


def test_create_dispute__reverts_when_extra_data_are_malformed(court):
    word = (1).to_bytes(32, "big")
    for bad in (b"", word[:31], word + b"\xff" * 32, word * 6):
        with ape.reverts(court.arbiter.Arbiter_InvalidExtraData):
            court.arbiter.createDispute(2, bad, court.world.usdc, 3 * FEE, sender=court.world.client)


def test_create_dispute__reverts_when_it_was_asked_before(court):
    court.ask()
    with ape.reverts(court.arbiter.Arbiter_AlreadyExists):
        court.asker.ask(court.extra(), sender=court.anyone)


def test_create_dispute__reverts_in_the_native_token(court):
    arbiter = court.arbiter
    assert arbiter.arbitrationCost(court.extra()) == arbiter.appealCost(1, b"") == 2**256 - 1
    with ape.reverts(arbiter.Arbiter_NativeTokenNotTaken):
        arbiter.createDispute(2, court.extra(), value=1, sender=court.anyone)
    with ape.reverts(arbiter.Arbiter_NativeTokenNotTaken):
        arbiter.appeal(1, b"", value=1, sender=court.anyone)


# disclose, submitEvidence, advance ---------------------------------------------------------------------------------


def test_disclose__by_call_and_by_signature_keeps_accounts_off_the_panel(court):
    dispute, (first, second, *_) = court.ask(), court.jurors
    client, provider = court.world.client, court.world.provider
    court.arbiter.disclose(dispute, court.extra(), client, first, b"", sender=first)
    signature = court.sign(second, "Disclosure", disputeId=dispute, account=second.address)
    court.arbiter.disclose(dispute, court.extra(), provider, second, signature, sender=court.anyone)
    assert list(court.arbiter.relatedOf(dispute)) == [first.address, second.address]
    court.later(DAY)
    court.arbiter.advance(dispute, sender=court.anyone)
    court.open_session()
    court.draw(dispute)
    assert set(court.panel(dispute)) == set(court.jurors[2:])


def test_disclose__is_nobody_elses_to_say(court):
    world, dispute, juror = court.world, court.ask(), court.jurors[0]
    for party in (world.client, world.provider, world.verifier):
        with ape.reverts(court.arbiter.Arbiter_InvalidSignature, account=juror.address):
            court.arbiter.disclose(dispute, court.extra(), party, juror, b"", sender=party)
        signature = court.sign(party, "Disclosure", disputeId=dispute, account=juror.address)
        with ape.reverts(court.arbiter.Arbiter_InvalidSignature, account=juror.address):
            court.arbiter.disclose(dispute, court.extra(), party, juror, signature, sender=party)
    assert list(court.arbiter.relatedOf(dispute)) == []


def test_disclose__reverts_for_who_is_no_party_or_did_not_sign(court):
    dispute, client, juror = court.ask(), court.world.client, court.jurors[0]
    call = (dispute, court.extra())
    with ape.reverts(court.arbiter.Arbiter_NotParty):
        court.arbiter.disclose(*call, court.anyone, juror, b"", sender=juror)
    with ape.reverts(court.arbiter.Arbiter_InvalidSignature):
        court.arbiter.disclose(*call, client, juror, b"", sender=court.anyone)
    other = court.sign(juror, "Disclosure", disputeId=dispute + 1, account=juror.address)
    with ape.reverts(court.arbiter.Arbiter_InvalidSignature):
        court.arbiter.disclose(*call, client, juror, other, sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_InvalidExtraData):
        court.arbiter.disclose(dispute, court.extra(2), client, juror, b"", sender=juror)


def test_disclose__reverts_twice_and_for_a_thirteenth_account(court):
    dispute, client, extra = court.ask(), court.world.client, court.extra()
    keys = [Account.from_key(number.to_bytes(32, "big")) for number in range(1, 14)]
    signers = [SimpleNamespace(address=key.address, private_key=key.key) for key in keys]
    signed = [(one, court.sign(one, "Disclosure", disputeId=dispute, account=one.address)) for one in signers]
    for one, signature in signed[:12]:
        court.arbiter.disclose(dispute, extra, client, one.address, signature, sender=court.anyone)
        with ape.reverts(court.arbiter.Arbiter_CannotDisclose):
            court.arbiter.disclose(dispute, extra, client, one.address, signature, sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_CannotDisclose):
        court.arbiter.disclose(dispute, extra, client, signed[12][0].address, signed[12][1], sender=court.anyone)


def test_disclose__reverts_after_evidence(court):
    dispute, juror = court.waiting(), court.jurors[0]
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.disclose(dispute, court.extra(), court.world.client, juror, b"", sender=juror)


def test_submit_evidence__until_the_ruling_is_final(court):
    dispute = court.ask()
    receipt = court.arbiter.submitEvidence(dispute, "ipfs://proof", sender=court.world.client)
    assert [log.party for log in receipt.events.filter(court.arbiter.Evidence)] == [court.world.client.address]
    dispute = court.solved(1, 1, 1, topic=2)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.submitEvidence(dispute, "late", sender=court.world.client)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.submitEvidence(7, "nothing", sender=court.world.client)


def test_advance__queues_the_round_after_evidence(court):
    dispute = court.ask()
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.advance(dispute, sender=court.anyone)
    court.later(DAY)
    court.arbiter.advance(dispute, sender=court.anyone)
    assert court.state(dispute).period == DRAWING
    assert court.arbiter.roundOf(dispute, 0).seats == 3
    assert court.arbiter.session().waiting == 1
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.advance(dispute, sender=court.anyone)


def test_advance__writes_down_what_time_did(court):
    dispute = court.panelled()
    court.commit(dispute, court.panel(dispute)[0], 1)
    court.end(dispute, COMMIT)
    assert court.state(dispute).period == REVEAL
    receipt = court.arbiter.advance(dispute, sender=court.anyone)
    assert [log.period for log in receipt.events.filter(court.arbiter.NewPeriod)] == [REVEAL]


# session and draw --------------------------------------------------------------------------------------------------


def test_advance_session__needs_a_waiting_round_and_the_staking_time(court):
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    first = court.waiting()
    court.open_session()
    court.draw(first)
    assert court.phase() == STAKING
    court.waiting(2)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == GENERATING


def test_advance_session__waits_for_the_source_then_takes_a_future_block(court):
    court.source.behave(0, 0, sender=court.anyone)
    dispute = court.waiting()
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    chosen = court.arbiter.session().fallbackBlock
    assert chosen > court.world.chain.blocks.height
    court.source.behave(0, 5, sender=court.anyone)  # too late
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.world.chain.mine(300)  # the hash is forgotten: another block
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.arbiter.session().fallbackBlock > chosen
    court.world.chain.mine(10)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == DRAWS
    court.draw(dispute)
    assert len(court.panel(dispute)) == 3


@pytest.mark.parametrize("manner", [1, 2])
def test_advance_session__replaces_a_source_that_fails_at_once(court, manner):
    court.source.behave(manner, 0, sender=court.anyone)
    court.waiting()
    court.later(HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.arbiter.session().fallbackBlock > 0
    court.world.chain.mine(10)
    court.arbiter.advanceSession(sender=court.anyone)
    assert court.phase() == DRAWS


def test_advance_session__reverts_when_the_source_would_starve(court):
    court.waiting()
    court.later(HOUR)
    with ape.reverts(court.arbiter.Arbiter_InsufficientGas):
        court.arbiter.advanceSession(gas_limit=300_000, sender=court.anyone)


def test_advance_session__ends_a_session_nobody_draws_in(court):
    dispute = court.waiting()
    court.open_session()
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.arbiter.advanceSession(sender=court.anyone)
    court.later(6 * HOUR)
    court.arbiter.advanceSession(sender=court.anyone)
    assert (court.phase(), court.arbiter.session().waiting) == (STAKING, 1)
    court.open_session()
    court.draw(dispute)
    assert court.state(dispute).period == COMMIT


def test_draw__fills_the_panel_in_steps_and_ends_the_session(court):
    dispute = court.waiting()
    court.open_session()
    court.draw(dispute, seats=1)
    assert (court.state(dispute).period, court.phase()) == (DRAWING, DRAWS)
    court.draw(dispute, seats=2)
    assert (court.state(dispute).period, court.phase()) == (COMMIT, STAKING)
    panel = court.panel(dispute)
    assert len(set(panel)) == 3
    for juror in panel:
        stake = court.arbiter.jurorOf(juror)
        assert (stake.free, stake.locked) == (7 * STAKE, STAKE)


def test_draw__reverts_outside_its_session_or_with_other_data(court):
    dispute = court.waiting()
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.draw(dispute)
    court.open_session()
    with ape.reverts(court.arbiter.Arbiter_InvalidExtraData):
        court.draw(dispute, topic=2)
    late = court.waiting(2)
    with ape.reverts(court.arbiter.Arbiter_SessionNotReady):
        court.draw(late, topic=2)
    court.draw(dispute)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.draw(dispute)


PATIENCE = 2 * (HOUR + HOUR + 6 * HOUR) + DAY + DAY + 2 * DAY
"""Two sessions, a vote and an appeal."""


def test_draw__without_jurors_solves_the_dispute(court):
    for juror in court.jurors:
        court.arbiter.requestUnstake(8 * STAKE, sender=juror)
    assert not court.arbiter.canRule()
    dispute = court.panelled()
    assert court.state(dispute).period == DRAWING
    court.end(dispute, DRAWING)
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute)) == (SOLVED, 0)


def kept_busy(court: Any, *idle: Any) -> tuple[int, list[tuple[int, bytes]]]:
    """A dispute whose session has come, and twelve others, drawn before it, in which `idle` cannot judge."""
    dispute, arbiter, others = court.waiting(), court.arbiter, []
    for number in range(12):
        words = [(100 + number).to_bytes(32, "big"), *(juror.address for juror in idle)]
        data = encode(["bytes32", *["address"] * len(idle)], words)
        court.asker.ask(data, sender=court.anyone)
        others.append((int(arbiter.disputeIdOf(court.asker, data)), data))
    court.end(others[-1][0], EVIDENCE)
    for other, _ in others:
        arbiter.advance(other, sender=court.anyone)
    court.open_session()
    for other, data in others:
        arbiter.draw(other, data, 3, sender=court.anyone)
    return int(dispute), others


def test_draw__puts_no_more_than_half_of_the_stake_at_risk(court):
    idle = court.jurors[4]
    dispute, others = kept_busy(court, idle)
    # 4 * 8 seats may judge; before the sixth panel 15 of them are at risk, before the seventh 18
    assert [court.state(other).period for other, _ in others] == [COMMIT] * 6 + [DRAWING] * 6
    assert court.arbiter.session().seated == 18
    assert court.arbiter.jurorOf(idle).free == 8 * STAKE
    court.draw(dispute)
    assert court.state(dispute).period == COMMIT, "18 seats are less than half of what may judge here"


def test_draw__waits_while_half_of_the_stake_is_at_risk_elsewhere(court):
    dispute, others = kept_busy(court)
    arbiter, session = court.arbiter, court.arbiter.session()
    assert (session.seated, session.phase) == (21, DRAWS)
    court.draw(dispute)
    assert (court.state(dispute).period, court.panel(dispute)) == (DRAWING, [])
    assert arbiter.roundOf(dispute, 0).session == session.number + 1
    assert court.phase() == STAKING, "the round does not hold the session up"
    for other, _ in others[:2]:
        court.end(other, COMMIT)
        court.end(other, REVEAL)
        for juror in {juror.address for juror in court.panel(other)}:
            arbiter.claim(other, 0, juror, sender=court.anyone)
    # silence took the stake of six seats, so less may be at risk than before
    assert arbiter.session().seated == 15
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, len(court.panel(dispute))) == (COMMIT, 3)


def test_draw__does_not_count_the_seats_of_its_own_dispute(court):
    dispute = court.panelled()
    for choice in (1, 2):
        court.vote(dispute, *[choice] * 7)
        court.fund(dispute, 3 - choice, 90 * FEE)
        court.fund(dispute, choice, 90 * FEE)
        court.open_session()
        court.draw(dispute)
    assert court.arbiter.session().seated == 25
    # 25 of 40 seats: another dispute waits for this one
    other = court.waiting(2)
    court.open_session()
    court.draw(other, 2)
    assert (court.state(other).period, court.panel(other)) == (DRAWING, [])


def test_draw__waits_no_longer_than_others_can_be_kept_busy(court):
    dispute, _ = kept_busy(court)
    begun = court.state(dispute).endsAt - PATIENCE
    assert court.world.now() - 2 * DAY < begun <= court.world.now()
    court.draw(dispute)
    court.end(dispute, DRAWING)
    court.open_session()
    court.draw(dispute)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute), court.panel(dispute)) == (SOLVED, 0, [])


def test_draw__parties_and_verifier_are_never_drawn(court):
    world = court.world
    for party in (world.client, world.provider):
        court.arbiter.stake(900 * USDC, sender=party)
    dispute = court.panelled()
    assert len(set(court.panel(dispute))) == 3


# commit and reveal ---------------------------------------------------------------------------------------------------


def test_commit__once_by_a_drawn_juror(court):
    dispute = court.panelled()
    juror, other = court.panel(dispute)[0], next(j for j in court.jurors if j not in court.panel(dispute))
    commitment = court.commitment(dispute, juror, 1)
    with ape.reverts(court.arbiter.Arbiter_NoBallot):
        court.arbiter.commit(dispute, commitment, sender=other)
    with ape.reverts(court.arbiter.Arbiter_InvalidVote):
        court.arbiter.commit(dispute, bytes(32), sender=juror)
    court.arbiter.commit(dispute, commitment, sender=juror)
    with ape.reverts(court.arbiter.Arbiter_NoBallot):
        court.arbiter.commit(dispute, commitment, sender=juror)


def test_commit__reverts_outside_the_period(court):
    dispute = court.panelled()
    juror = court.panel(dispute)[0]
    court.end(dispute, COMMIT)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.commit(dispute, juror, 1)


def test_commit__the_last_one_ends_the_period(court):
    dispute = court.panelled()
    for juror in court.panel(dispute):
        assert court.state(dispute).period == COMMIT
        court.commit(dispute, juror, 1)
    assert court.state(dispute).period == REVEAL


def test_commit_with_signature__by_anyone(court):
    dispute = court.panelled()
    juror, other = court.panel(dispute)[:2]
    commitment = court.commitment(dispute, juror, 1)
    signature = court.sign(juror, "VoteCommit", disputeId=dispute, round=0, commitment=commitment)
    with ape.reverts(court.arbiter.Arbiter_InvalidSignature):
        court.arbiter.commitWithSignature(dispute, other, commitment, signature, sender=court.anyone)
    court.arbiter.commitWithSignature(dispute, juror, commitment, signature, sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_NoBallot):
        court.arbiter.commitWithSignature(dispute, juror, commitment, signature, sender=court.anyone)
    assert court.arbiter.ballotOf(dispute, 0, juror).commitment == commitment[:25]


def test_reveal__counts_and_the_last_one_ends_the_period(court):
    dispute = court.panelled()
    panel = court.panel(dispute)
    for juror in panel[:2]:
        court.commit(dispute, juror, 2)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.reveal(dispute, panel[0], 2, SALT, sender=court.anyone)
    court.end(dispute, COMMIT)
    court.arbiter.reveal(dispute, panel[0], 2, SALT, sender=court.anyone)
    assert court.state(dispute).period == REVEAL
    with ape.reverts(court.arbiter.Arbiter_NoBallot):
        court.arbiter.reveal(dispute, panel[2], 2, SALT, sender=court.anyone)
    court.arbiter.reveal(dispute, panel[1], 2, SALT, sender=court.anyone)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute)) == (APPEAL, 2)
    assert court.arbiter.disputeStatus(dispute) == 1


def test_reveal__reverts_for_other_choice_salt_or_juror(court):
    dispute = court.panelled()
    panel = court.panel(dispute)
    copied = court.commitment(dispute, panel[0], 1)
    for juror in panel:
        court.arbiter.commit(dispute, copied, sender=juror)
    for juror, choice, salt in ((panel[0], 2, SALT), (panel[0], 1, bytes(32)), (panel[1], 1, SALT)):
        with ape.reverts(court.arbiter.Arbiter_InvalidVote):
            court.arbiter.reveal(dispute, juror, choice, salt, sender=court.anyone)
    court.arbiter.reveal(dispute, panel[0], 1, SALT, sender=court.anyone)
    with ape.reverts(court.arbiter.Arbiter_NoBallot):
        court.arbiter.reveal(dispute, panel[0], 1, SALT, sender=court.anyone)


def test_reveal__reverts_for_a_choice_that_does_not_exist(court):
    dispute = court.panelled()
    for juror in court.panel(dispute):
        court.commit(dispute, juror, 3)
    with ape.reverts(court.arbiter.Arbiter_InvalidVote):
        court.arbiter.reveal(dispute, court.panel(dispute)[0], 3, SALT, sender=court.anyone)


def test_report_leak__voids_the_vote_and_pays_a_share(court):
    dispute = court.panelled()
    leaker = court.panel(dispute)[0]
    court.commit(dispute, leaker, 1)
    with ape.reverts(court.arbiter.Arbiter_InvalidVote):
        court.arbiter.reportLeak(dispute, leaker, 2, SALT, sender=court.anyone)
    before = court.arbiter.balanceOf(court.anyone)
    court.arbiter.reportLeak(dispute, leaker, 1, SALT, sender=court.anyone)
    assert court.arbiter.balanceOf(court.anyone) == before + LEAK
    assert court.arbiter.jurorOf(leaker).locked == 0
    assert court.arbiter.session().seated == 2
    assert LEAK < WRONG
    court.end(dispute, COMMIT)
    for call in (court.arbiter.reveal, court.arbiter.reportLeak):
        with ape.reverts():
            call(dispute, leaker, 1, SALT, sender=court.anyone)


def test_report_leak__reverts_once_votes_may_be_shown(court):
    dispute = court.panelled()
    juror = court.panel(dispute)[0]
    court.commit(dispute, juror, 1)
    court.end(dispute, COMMIT)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.arbiter.reportLeak(dispute, juror, 1, SALT, sender=court.anyone)


# appeal ---------------------------------------------------------------------------------------------------------------


def test_fund_appeal__both_sides_start_a_larger_round(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    assert court.arbiter.appealCost(dispute) == 7 * FEE
    court.fund(dispute, 2, 100 * FEE)  # only what is missing is taken
    assert tuple(court.arbiter.appealOf(dispute, 0)) == (0, 14 * FEE)
    assert court.arbiter.contributionOf(dispute, 0, court.world.provider).second == 14 * FEE
    with ape.reverts(court.arbiter.Arbiter_NotFundable):
        court.fund(dispute, 2, 1)
    court.fund(dispute, 1, 7 * FEE)
    state = court.state(dispute)
    assert (state.period, state.round) == (DRAWING, 1)
    assert court.arbiter.roundOf(dispute, 1).seats == 7


def test_fund_appeal__loser_has_the_first_half_only(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    with ape.reverts(court.arbiter.Arbiter_NotFundable):
        court.arbiter.fundAppeal(dispute, 3, 1, sender=court.world.client)
    with ape.reverts(court.arbiter.Arbiter_AmountZero):
        court.fund(dispute, 2, 0)
    court.fund(dispute, 2, 14 * FEE - 1)
    court.world.pass_to(court.arbiter.appealPeriod(dispute).start + DAY)
    with ape.reverts(court.arbiter.Arbiter_WrongPeriod):
        court.fund(dispute, 2, 1)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute)) == (SOLVED, 1)


def test_fund_appeal__winner_answers_in_the_second_half_or_loses(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    court.fund(dispute, 2, 14 * FEE)
    start, end = court.arbiter.appealPeriod(dispute)
    court.world.pass_to(start + DAY)
    court.fund(dispute, 1, 7 * FEE - 1)
    court.world.pass_to(end)
    state = court.state(dispute)
    assert (state.period, state.ruling, state.verdict) == (SOLVED, 2, 1)


def test_fund_appeal__not_after_the_last_round(court):
    dispute = court.panelled()
    for number, choice in ((0, 1), (1, 2)):
        court.vote(dispute, *[choice] * 7)
        court.fund(dispute, 3 - choice, 90 * FEE)
        court.fund(dispute, choice, 90 * FEE)
        court.open_session()
        court.draw(dispute)
        assert court.state(dispute).round == number + 1
    court.vote(dispute, *[1] * 15)
    assert (court.state(dispute).period, court.arbiter.currentRuling(dispute)) == (SOLVED, 1)
    assert tuple(court.arbiter.appealPeriod(dispute)) == (0, 0)


def test_fund_appeal_with_authorization__needs_no_gas_of_the_party(court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    world, arbiter = court.world, court.arbiter
    nonce = nonce_of(("uint256", dispute), ("uint8", 0), ("uint8", 2), ("uint256", 9))
    signature = world.authorization(world.provider, arbiter, 20 * FEE, nonce)
    call = (world.provider, 20 * FEE, 0, FOREVER, 9, signature)
    with ape.reverts(world.usdc.InvalidSignature):
        arbiter.fundAppealWithAuthorization(dispute, 1, *call, sender=court.anyone)
    arbiter.fundAppealWithAuthorization(dispute, 2, *call, sender=court.anyone)
    assert arbiter.appealOf(dispute, 0).second == 14 * FEE
    assert arbiter.balanceOf(world.provider) == 6 * FEE


# rescueToken -----------------------------------------------------------------------------------------------------


def test_rescue_token__never_usdc_and_only_by_the_guardian_of_the_arbiter(court, project):
    world, arbiter = court.world, court.arbiter
    other = world.owner.deploy(project.MockUSDC, world.owner)
    other.mint(arbiter, 7, sender=world.owner)
    with ape.reverts(arbiter.Guarded_CallerNotGuardian):
        arbiter.rescueToken(other, world.owner, 7, sender=world.owner)
    with ape.reverts(arbiter.Rescue_TokenInUse):
        arbiter.rescueToken(world.usdc, world.guardian, 1, sender=world.guardian)
    receipt = arbiter.rescueToken(other, world.client, 7, sender=world.guardian)
    assert [event.amount for event in arbiter.TokenRescued.from_receipt(receipt)] == [7]
    assert other.balanceOf(world.client) == 7


def test_domain__is_what_messages_are_signed_in(court):
    fields = (b"\x0f", "AICP Arbiter", "1", court.world.chain.chain_id, court.arbiter.address, bytes(32), [])
    assert tuple(court.arbiter.eip712Domain()) == fields


# ends ------------------------------------------------------------------------------------------------------------


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


# stakes ----------------------------------------------------------------------------------------------------------


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


# the default source ----------------------------------------------------------------------------------------------


def test_seeded_randomness__commit_then_block_then_reveal(court, project):
    owner, seeder, chain = court.world.owner, court.world.operator, court.world.chain
    source = owner.deploy(project.SeededRandomness, owner, seeder, 1800)
    seed = b"\x07" * 32
    with ape.reverts(source.Randomness_CallerNotSeeder):
        source.commitSeed(seed, sender=owner)
    with ape.reverts(source.Randomness_CallerNotConsumer):
        source.request(sender=seeder)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.poke(sender=owner)
    source.commitSeed(nonce_of(("bytes32", seed)), sender=seeder)
    source.request(sender=owner)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.reveal(seed, sender=owner)
    chain.mine(10)
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(bytes(32), sender=owner)
    with ape.reverts(source.Randomness_BlockNotReady):
        source.poke(sender=owner)
    source.reveal(seed, sender=owner)
    assert source.result(1) != 0
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(seed, sender=owner)


def test_seeded_randomness__a_silent_seeder_is_replaced(court, project):
    owner, seeder, chain = court.world.owner, court.world.operator, court.world.chain
    source = owner.deploy(project.SeededRandomness, owner, seeder, 1800)
    source.commitSeed(nonce_of(("bytes32", bytes(32))), sender=seeder)
    source.request(sender=owner)
    chain.mine(300)
    first = source.target()
    source.poke(sender=owner)  # forgotten: another block, the seed still counts
    assert source.target() > first
    court.later(1801)
    source.poke(sender=owner)
    with ape.reverts(source.Randomness_WrongSeed):
        source.reveal(bytes(32), sender=owner)
    chain.mine(10)
    source.poke(sender=owner)
    assert source.result(1) != 0


def test_deployment__creates_its_own_source_and_refuses_bad_parameters(court, project):
    owner = court.world.owner
    arbiter = owner.deploy(project.DisputeArbiter, config(court.world))
    source = project.SeededRandomness.at(arbiter.randomness())
    assert (source.consumer(), source.seeder()) == (arbiter.address, court.world.operator.address)
    assert arbiter.maxDuration() < 180 * DAY
    for bad in ({"leakBps": 3000}, {"minStake": STAKE - 1}, {"sink": ZERO}, {"feePerSeat": 0}):
        with ape.reverts():
            owner.deploy(project.DisputeArbiter, config(court.world, **bad))


def test_gas__of_the_whole_functions(court):
    dispute = court.panelled()
    first, second, _ = court.panel(dispute)
    assert court.commit(dispute, first, 1).gas_used <= 56_000
    court.commit(dispute, second, 1)
    court.end(dispute, COMMIT)
    used = court.arbiter.reveal(dispute, first, 1, SALT, sender=court.anyone).gas_used
    assert used <= 39_000


def test_extra_data_of_escrow_is_what_it_says(court):
    # a zero verifier is no account and excludes nobody
    world = court.world
    data = encode(["bytes32", "address", "address", "address"], [bytes(32), world.client.address, ZERO, ZERO])
    court.asker.ask(data, sender=court.anyone)
    dispute = court.arbiter.disputeIdOf(court.asker, data)
    court.later(DAY)
    court.arbiter.advance(dispute, sender=court.anyone)
    court.open_session()
    court.arbiter.draw(dispute, data, 3, sender=court.anyone)
    assert len(set(court.panel(dispute))) == 3
