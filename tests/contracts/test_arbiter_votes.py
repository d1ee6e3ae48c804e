"""DisputeArbiter: votes committed, revealed and leaked, and appeals."""

from __future__ import annotations

import ape

from tests.contracts.court import (
    APPEAL,
    COMMIT,
    DAY,
    DRAWING,
    FEE,
    LEAK,
    REVEAL,
    SALT,
    SOLVED,
    WRONG,
)
from tests.contracts.world import FOREVER, nonce_of

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


# appeal --------------------------------------------------------------------------------------------------------------


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
