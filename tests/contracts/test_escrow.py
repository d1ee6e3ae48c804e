"""Escrow: every function's normal course and every typed refusal."""

from __future__ import annotations

from dataclasses import replace

import ape
import pytest

from tests.contracts.world import FOREVER, USDC, ZERO

NONE, FUNDED, ACCEPTED, SUBMITTED, CLOSED = 0, 1, 2, 3, 7
COMPLETED, SETTLED, RETURNED, MISSED, CANCELLED = 1, 2, 3, 4, 9
RESULT = b"\x22" * 32


def test_fund__from_the_wallet_needs_nothing_but_the_contract(world):
    terms = world.terms()
    before = world.usdc.balanceOf(world.client)
    receipt = world.escrow.fund(terms.tuple(), sender=world.client)
    assert world.usdc.balanceOf(world.client) == before - terms.amount
    assert world.status(terms) == FUNDED
    (event,) = world.escrow.EscrowFunded.from_receipt(receipt)
    parties = (event.event_arguments["client"], event.event_arguments["provider"])
    assert parties == (world.client.address, world.provider.address)
    world.escrow.accept(terms.tuple(), sender=world.provider)
    world.escrow.submit(terms.tuple(), RESULT, sender=world.provider)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    earned = terms.amount - terms.amount * 250 // 10_000
    paid = world.usdc.balanceOf(world.provider)
    world.escrow.withdraw(earned, sender=world.provider)
    assert world.usdc.balanceOf(world.provider) == paid + earned
    assert world.escrow.balanceOf(world.treasury) == terms.amount - earned


def test_fund__reverts_for_others_and_twice(world):
    terms = world.terms()
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.fund(terms.tuple(), sender=world.stranger)
    world.escrow.fund(terms.tuple(), sender=world.client)
    with ape.reverts(world.escrow.Escrow_AlreadyExists):
        world.escrow.fund(terms.tuple(), sender=world.client)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client": ZERO}, "Escrow_ZeroAddress"),
        ({"provider": ZERO}, "Escrow_ZeroAddress"),
        ({"amount": 0}, "Escrow_AmountZero"),
        ({"fee_bps": 249}, "Escrow_FeeMismatch"),
        ({"quorum": 3}, "Escrow_QuorumOutOfRange"),
        ({"accept_by": 1}, "Escrow_InvalidWindow"),
        ({"accept_by": FOREVER}, "Escrow_InvalidWindow"),
        ({"deliver_by": 1}, "Escrow_InvalidWindow"),
        ({"deliver_by": FOREVER}, "Escrow_InvalidWindow"),
        ({"challenge_period": 59}, "Escrow_InvalidWindow"),
        ({"challenge_period": 15 * 86400}, "Escrow_InvalidWindow"),
        ({"dispute_timeout": 181 * 86400}, "Escrow_InvalidWindow"),
    ],
)
def test_fund__reverts_on_unsound_terms(world, changes, error):
    with ape.reverts(getattr(world.escrow, error)):
        world.escrow.fund(world.terms(**changes).tuple(), sender=world.client)


@pytest.mark.parametrize("field", ["provider", "verifier", "arbiter"])
def test_fund__reverts_when_one_account_holds_two_parts(world, field):
    with ape.reverts(world.escrow.Escrow_SelfDeal):
        world.escrow.fund(world.terms(**{field: world.client.address}).tuple(), sender=world.client)


def test_fund_from_balance__uses_what_came_back(world):
    first = world.terms(salt=1)
    world.escrow.fund(first.tuple(), sender=world.client)
    world.escrow.cancel(first.tuple(), sender=world.client)
    second = world.terms(salt=2)
    world.escrow.fundFromBalance(second.tuple(), sender=world.client)
    assert world.escrow.balanceOf(world.client) == 0
    with ape.reverts(world.escrow.Ledger_InsufficientBalance):
        world.escrow.fundFromBalance(world.terms(salt=3).tuple(), sender=world.client)
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.fundFromBalance(world.terms(salt=4).tuple(), sender=world.stranger)


def test_fund_with_authorization__funds_and_accepts_by_two_signatures(world):
    terms = world.terms()
    receipt = world.fund_signed(terms, world.acceptance(terms))
    assert world.status(terms) == ACCEPTED
    (event,) = world.escrow.EscrowAccepted.from_receipt(receipt)
    assert event.stake == terms.amount // 5
    assert world.reputation.stakeOf(world.provider).locked == terms.amount // 5


def test_accept__by_the_provider_and_by_signature(world):
    terms = world.terms()
    world.fund_signed(terms)
    with ape.reverts(world.escrow.Escrow_CallerNotProvider):
        world.escrow.accept(terms.tuple(), sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_SignatureExpired):
        world.escrow.acceptWithSignature(terms.tuple(), world.acceptance(terms, 1), sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.acceptWithSignature(terms.tuple(), (FOREVER, b"\x01" * 65), sender=world.stranger)
    world.escrow.acceptWithSignature(terms.tuple(), world.acceptance(terms), sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.accept(terms.tuple(), sender=world.provider)


def test_accept__reverts_when_late(world):
    terms = world.terms()
    world.fund_signed(terms)
    world.pass_to(terms.accept_by)
    with ape.reverts(world.escrow.Escrow_DeadlinePassed):
        world.escrow.accept(terms.tuple(), sender=world.provider)


def test_submit__starts_the_clock_and_the_clock_pays(world):
    terms = world.accepted()
    with ape.reverts(world.escrow.Escrow_CallerNotProvider):
        world.escrow.submit(terms.tuple(), RESULT, sender=world.client)
    signature = world.sign_escrow(
        world.provider,
        "Submission",
        escrowId=world.id_of(terms),
        deliverableHash=RESULT,
        validUntil=FOREVER,
    )
    world.escrow.submitWithSignature(terms.tuple(), RESULT, FOREVER, signature, sender=world.stranger)
    state = world.escrow.stateOf(world.id_of(terms))
    assert state.clock == world.chain.blocks.head.timestamp + terms.challenge_period
    with ape.reverts(world.escrow.Escrow_ChallengeActive):
        world.escrow.releaseAfterChallenge(terms.tuple(), sender=world.stranger)
    world.pass_to(state.clock)
    world.escrow.releaseAfterChallenge(terms.tuple(), sender=world.stranger)
    state = world.escrow.stateOf(world.id_of(terms))
    assert (state.status, state.ruling, state.released) == (CLOSED, COMPLETED, terms.amount)
    assert world.reputation.stakeOf(world.provider).locked == 0
    assert world.reputation.recordOf(world.provider).completed == 1
    assert world.reputation.recordOf(world.provider).settledValue == terms.amount


def test_submit__reverts_at_the_deadline_and_reclaim_opens(world):
    terms = world.accepted()
    with ape.reverts(world.escrow.Escrow_DeadlineNotReached):
        world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    world.pass_to(terms.deliver_by)
    with ape.reverts(world.escrow.Escrow_DeadlinePassed):
        world.escrow.submit(terms.tuple(), RESULT, sender=world.provider)
    world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    state = world.escrow.stateOf(world.id_of(terms))
    assert (state.status, state.ruling, state.refunded) == (CLOSED, MISSED, terms.amount)
    assert world.escrow.balanceOf(world.client) == terms.amount
    assert world.reputation.balanceOf(world.client) == terms.amount // 5 // 2


def test_release__in_parts_by_call_and_signature(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.release(terms.tuple(), 1, sender=world.provider)
    world.escrow.release(terms.tuple(), 10 * USDC, sender=world.client)
    with ape.reverts(world.escrow.Escrow_NotIncreasing):
        world.escrow.release(terms.tuple(), 10 * USDC, sender=world.client)
    with ape.reverts(world.escrow.Escrow_ReleaseExceedsAmount):
        world.escrow.release(terms.tuple(), terms.amount + 1, sender=world.client)
    assert world.status(terms) == SUBMITTED
    message = {"escrowId": world.id_of(terms), "cumulativeReleased": terms.amount, "validUntil": FOREVER}
    by_provider = world.sign_escrow(world.provider, "Release", **message)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.releaseWithSignature(terms.tuple(), terms.amount, FOREVER, by_provider, sender=world.stranger)
    signature = world.sign_escrow(world.client, "Release", **message)
    world.escrow.releaseWithSignature(terms.tuple(), terms.amount, FOREVER, signature, sender=world.stranger)
    assert world.status(terms) == CLOSED
    assert world.escrow.balanceOf(world.treasury) == terms.amount * 250 // 10_000


def test_release__reverts_before_acceptance(world):
    terms = world.terms()
    world.fund_signed(terms)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.release(terms.tuple(), 1, sender=world.client)


def test_release_with_quorum__by_verifier_and_provider(world):
    terms = world.submitted(verifier=world.verifier.address, quorum=2)
    message = {"escrowId": world.id_of(terms), "cumulativeReleased": terms.amount, "validUntil": FOREVER}
    provider = (1, world.sign_escrow(world.provider, "Release", **message))
    verifier = (2, world.sign_escrow(world.verifier, "Release", **message))
    call = (terms.tuple(), terms.amount, FOREVER)
    with ape.reverts(world.escrow.Escrow_QuorumNotMet):
        world.escrow.releaseWithQuorum(*call, [provider], sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_DuplicateSigner):
        world.escrow.releaseWithQuorum(*call, [verifier, provider], sender=world.stranger)
    world.escrow.releaseWithQuorum(*call, [provider, verifier], sender=world.stranger)
    assert world.status(terms) == CLOSED


def test_refund__in_parts_closes_as_returned(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_CallerNotProvider):
        world.escrow.refund(terms.tuple(), 1, sender=world.client)
    world.escrow.refund(terms.tuple(), USDC, sender=world.provider)
    signature = world.sign_escrow(
        world.provider,
        "Refund",
        escrowId=world.id_of(terms),
        cumulativeRefunded=terms.amount,
        validUntil=FOREVER,
    )
    world.escrow.refundWithSignature(terms.tuple(), terms.amount, FOREVER, signature, sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(terms)).ruling == RETURNED
    assert world.reputation.balanceOf(world.client) == terms.amount // 5 // 10
    assert world.reputation.recordOf(world.provider).failed == 1


def test_refund__before_acceptance_costs_nothing(world):
    terms = world.terms()
    world.fund_signed(terms)
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    assert world.escrow.stateOf(world.id_of(terms)).ruling == CANCELLED
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC


def test_cancel__client_at_once_others_from_accept_by(world):
    terms = world.terms()
    world.fund_signed(terms)
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.cancel(terms.tuple(), sender=world.stranger)
    world.pass_to(terms.accept_by)
    world.escrow.cancel(terms.tuple(), sender=world.stranger)
    assert world.escrow.balanceOf(world.client) == terms.amount
    signed = world.terms(salt=2)
    world.fund_signed(signed)
    signature = world.sign_escrow(world.client, "Cancellation", escrowId=world.id_of(signed), validUntil=FOREVER)
    world.escrow.cancelWithSignature(signed.tuple(), FOREVER, signature, sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(signed)).ruling == CANCELLED


def test_cancel__reverts_after_acceptance(world):
    terms = world.accepted()
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.cancel(terms.tuple(), sender=world.client)


def test_split__needs_both_and_everything(world):
    terms = world.submitted()
    message = {"escrowId": world.id_of(terms), "toProvider": 10 * USDC, "toClient": 15 * USDC, "validUntil": FOREVER}
    client = world.sign_escrow(world.client, "Split", **message)
    provider = world.sign_escrow(world.provider, "Split", **message)
    with ape.reverts(world.escrow.Escrow_SplitMismatch):
        world.escrow.split(terms.tuple(), USDC, USDC, FOREVER, client, provider, sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.split(terms.tuple(), 10 * USDC, 15 * USDC, FOREVER, client, client, sender=world.stranger)
    world.escrow.split(terms.tuple(), 10 * USDC, 15 * USDC, FOREVER, client, provider, sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(terms)).ruling == SETTLED
    assert world.escrow.balanceOf(world.provider) == 10 * USDC * 975 // 1000
    assert world.escrow.balanceOf(world.client) == 15 * USDC


def test_settle_stake__reverts_when_nothing_is_owed(world):
    terms = world.submitted()
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    with ape.reverts(world.escrow.Escrow_StakeNotPending):
        world.escrow.settleStake(terms.tuple(), sender=world.stranger)


def test_changed_terms_are_another_escrow(world):
    terms = world.submitted()
    tampered = replace(terms, amount=terms.amount - 1)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.release(tampered.tuple(), 1, sender=world.client)


def test_withdraw__by_call_to_another_account_and_by_signature(world):
    terms = world.terms()
    world.escrow.fund(terms.tuple(), sender=world.client)
    world.escrow.cancel(terms.tuple(), sender=world.client)
    with ape.reverts(world.escrow.Ledger_AmountZero):
        world.escrow.withdraw(0, sender=world.client)
    with ape.reverts(world.escrow.Ledger_ZeroAddress):
        world.escrow.withdrawTo(ZERO, 1, sender=world.client)
    with ape.reverts(world.escrow.Ledger_InsufficientBalance):
        world.escrow.withdraw(terms.amount + 1, sender=world.client)
    world.escrow.withdrawTo(world.verifier, USDC, sender=world.client)
    assert world.usdc.balanceOf(world.verifier) == USDC
    fields = {"account": world.client.address, "to": world.verifier.address, "amount": 2 * USDC}
    call = (world.client, world.verifier, 2 * USDC)
    late = world.sign_escrow(world.client, "Withdrawal", **fields, nonce=0, validUntil=1)
    with ape.reverts(world.escrow.Ledger_SignatureExpired):
        world.escrow.withdrawWithSignature(*call, 1, late, sender=world.stranger)
    signature = world.sign_escrow(world.client, "Withdrawal", **fields, nonce=0, validUntil=FOREVER)
    world.escrow.withdrawWithSignature(*call, FOREVER, signature, sender=world.stranger)
    assert world.usdc.balanceOf(world.verifier) == 3 * USDC
    with ape.reverts(world.escrow.Ledger_InvalidSignature):
        world.escrow.withdrawWithSignature(*call, FOREVER, signature, sender=world.stranger)


def test_blacklisted_account_blocks_only_itself(world):
    terms = world.submitted()
    world.usdc.blacklist(world.treasury, sender=world.owner)
    world.usdc.blacklist(world.client, sender=world.owner)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    earned = world.escrow.balanceOf(world.provider)
    world.escrow.withdraw(earned, sender=world.provider)
    with ape.reverts():
        world.escrow.withdraw(1, sender=world.treasury)


def test_set_fee__applies_to_later_escrows_within_the_cap(world):
    running = world.submitted(salt=1)
    world.escrow.setFee(500, sender=world.owner)
    world.escrow.release(running.tuple(), running.amount, sender=world.client)
    assert world.escrow.balanceOf(world.treasury) == running.amount * 250 // 10_000
    with ape.reverts(world.escrow.Escrow_FeeAboveCap):
        world.escrow.setFee(501, sender=world.owner)
    with ape.reverts(world.escrow.OwnableUnauthorizedAccount):
        world.escrow.setFee(1, sender=world.guardian)
    with ape.reverts(world.escrow.Escrow_ZeroAddress):
        world.escrow.setFeeRecipient(ZERO, sender=world.owner)
    world.escrow.setFeeRecipient(world.verifier, sender=world.owner)
    assert world.escrow.feeRecipient() == world.verifier


def test_pause__stops_new_money_and_no_exit(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Guarded_CallerNotGuardian):
        world.escrow.pauseInflows(sender=world.owner)
    world.escrow.pauseInflows(sender=world.guardian)
    with ape.reverts(world.escrow.Guarded_InflowsPaused):
        world.escrow.fund(world.terms(salt=2).tuple(), sender=world.client)
    with ape.reverts(world.escrow.Guarded_InflowsPaused):
        world.fund_signed(world.terms(salt=2))
    with ape.reverts(world.escrow.Guarded_InflowsPaused):
        world.escrow.fundFromBalance(world.terms(salt=2).tuple(), sender=world.client)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    world.escrow.withdraw(world.escrow.balanceOf(world.provider), sender=world.provider)
    with ape.reverts(world.escrow.Guarded_CallerNotGuardian):
        world.escrow.unpauseInflows(sender=world.stranger)
    world.escrow.unpauseInflows(sender=world.owner)
    assert not world.escrow.inflowsPaused()
