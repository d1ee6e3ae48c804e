"""Escrow at its limits: the last second and the first too late, the smallest amounts, fees and stakes to the unit."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.contracts.world import USDC, World

ACCEPTED, SUBMITTED, CLOSED = 2, 3, 7
COMPLETED, RETURNED, MISSED = 1, 3, 4
RESULT = b"\x22" * 32
DAY = 86400


def at(world: World, timestamp: int) -> None:
    """Let the next transaction be mined at a second."""
    world.chain.pending_timestamp = timestamp


def soon(world: World) -> int:
    """A second that is certainly still to come."""
    return world.now() + 1000


def fund(world: World, **changes: Any) -> None:
    world.escrow.fund(world.terms(**changes).tuple(), sender=world.client)


def send(world: World, data: bytes) -> str:
    """What a call of the client reverts with, in hex; empty if it succeeds."""
    call = {"from": world.client.address, "to": world.escrow.address, "data": "0x" + data.hex()}
    answer = world.chain.provider.web3.provider.make_request("eth_call", [call, "latest"])
    return str(answer["error"].get("data", "0x")) if "error" in answer else ""


# Windows ------------------------------------------------------------------------------------------------------------


def test_fund__takes_windows_at_their_bounds(world):
    now = soon(world)
    for number, changes in enumerate(
        (
            {"accept_by": now + 1, "deliver_by": now + 2},
            {"accept_by": now + 7 * DAY, "deliver_by": now + 180 * DAY},
            {"accept_by": now + 7 * DAY, "deliver_by": now + 7 * DAY + 1},
            {"accept_by": now + 900, "deliver_by": now + 1800, "challenge_period": 60, "dispute_timeout": 0},
            {"accept_by": now + 900, "deliver_by": now + 1800, "challenge_period": 14 * DAY},
            {"accept_by": now + 900, "deliver_by": now + 1800, "dispute_timeout": 180 * DAY},
        )
    ):
        times = {name: value + number if name.endswith("_by") else value for name, value in changes.items()}
        at(world, now + number)
        fund(world, salt=number, **times)


@pytest.mark.parametrize(
    "changes",
    [
        {"accept_by": 0},
        {"accept_by": 7 * DAY + 1, "deliver_by": 8 * DAY},
        {"accept_by": 900, "deliver_by": 900},
        {"accept_by": 900, "deliver_by": 899},
        {"deliver_by": 180 * DAY + 1},
        {"challenge_period": 59},
        {"challenge_period": 14 * DAY + 1},
        {"dispute_timeout": 180 * DAY + 1},
    ],
)
def test_fund__reverts_a_second_outside_of_the_windows(world, changes):
    now = soon(world)
    by = {"accept_by": 900, "deliver_by": DAY} | {
        name: value for name, value in changes.items() if name.endswith("_by")
    }
    rest = {name: value for name, value in changes.items() if not name.endswith("_by")}
    at(world, now)
    with ape.reverts(world.escrow.Escrow_InvalidWindow):
        fund(world, **{name: now + value for name, value in by.items()}, **rest)


# Words of the terms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", range(11))
def test_fund__refuses_a_word_that_its_type_cannot_hold(world, word):
    terms = world.terms(verifier=world.verifier.address, arbiter=world.stranger.address, quorum=2)
    data = bytearray(world.escrow.fund.encode_input(terms.tuple()))
    assert send(world, data) == ""
    data[4 + 32 * word] ^= 1
    assert send(world, data) == "0x"


def test_fund__tells_the_terms_word_by_word(world):
    terms = world.terms(verifier=world.verifier.address, arbiter=world.stranger.address, quorum=2, salt=2**256 - 1)
    receipt = world.escrow.fund(terms.tuple(), sender=world.client)
    (log,) = [log for log in receipt.logs if log["address"] == world.escrow.address]
    assert bytes(log["data"]) == bytes(world.escrow.fund.encode_input(terms.tuple()))[4:]
    parties = [bytes(12) + bytes.fromhex(party.address[2:]) for party in (world.client, world.provider)]
    assert [bytes(topic) for topic in log["topics"][1:]] == [world.id_of(terms), *parties]


def test_accept__until_the_second_before_accept_by(world):
    late, timely = world.terms(salt=1), world.terms(salt=2)
    world.fund_signed(late)
    world.fund_signed(timely)
    at(world, timely.accept_by - 1)
    world.escrow.accept(timely.tuple(), sender=world.provider)
    assert world.status(timely) == ACCEPTED
    at(world, max(late.accept_by, timely.accept_by))
    with ape.reverts(world.escrow.Escrow_DeadlinePassed, id=world.id_of(late), deadline=late.accept_by):
        world.escrow.accept(late.tuple(), sender=world.provider)


def test_cancel__by_anyone_from_accept_by_and_no_second_sooner(world):
    terms = world.terms()
    world.fund_signed(terms)
    at(world, terms.accept_by - 1)
    with ape.reverts(world.escrow.Escrow_CallerNotClient, caller=world.stranger.address):
        world.escrow.cancel(terms.tuple(), sender=world.stranger)
    at(world, terms.accept_by)
    receipt = world.escrow.cancel(terms.tuple(), sender=world.stranger)
    (refunded,) = world.escrow.EscrowRefunded.from_receipt(receipt)
    assert (bytes(refunded.id), refunded.amount) == (world.id_of(terms), terms.amount)
    assert [bytes(event.id) for event in world.escrow.EscrowClosed.from_receipt(receipt)] == [world.id_of(terms)]


def test_submit__until_the_second_before_deliver_by(world):
    late, timely = world.accepted(salt=1), world.accepted(salt=2)
    at(world, timely.deliver_by - 1)
    receipt = world.escrow.submit(timely.tuple(), RESULT, sender=world.provider)
    (submitted,) = world.escrow.WorkSubmitted.from_receipt(receipt)
    assert bytes(submitted.deliverableHash) == RESULT
    assert submitted.challengeEndsAt == timely.deliver_by - 1 + timely.challenge_period
    at(world, max(late.deliver_by, timely.deliver_by))
    with ape.reverts(world.escrow.Escrow_DeadlinePassed, deadline=late.deliver_by):
        world.escrow.submit(late.tuple(), RESULT, sender=world.provider)


def test_reclaim__from_deliver_by_and_no_second_sooner(world):
    terms = world.accepted()
    at(world, terms.deliver_by - 1)
    with ape.reverts(world.escrow.Escrow_DeadlineNotReached, id=world.id_of(terms), deadline=terms.deliver_by):
        world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    at(world, terms.deliver_by)
    world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(terms)).ruling == MISSED


def test_reclaim__reverts_after_a_submission(world):
    terms = world.submitted()
    world.pass_to(terms.deliver_by)
    with ape.reverts(world.escrow.Escrow_WrongStatus, id=world.id_of(terms), actual=SUBMITTED):
        world.escrow.reclaim(terms.tuple(), sender=world.stranger)


def test_release_after_challenge__from_the_clock_and_no_second_sooner(world):
    terms = world.submitted()
    clock = world.escrow.stateOf(world.id_of(terms)).clock
    at(world, clock - 1)
    with ape.reverts(world.escrow.Escrow_ChallengeActive, id=world.id_of(terms), endsAt=clock):
        world.escrow.releaseAfterChallenge(terms.tuple(), sender=world.stranger)
    at(world, clock)
    world.escrow.releaseAfterChallenge(terms.tuple(), sender=world.stranger)
    assert world.status(terms) == CLOSED


def test_signature__counts_in_its_last_second_and_no_second_later(world):
    terms = world.submitted()
    until = soon(world)
    message = {"escrowId": world.id_of(terms), "validUntil": until}
    signatures = [
        world.sign_escrow(world.client, "Release", **message, cumulativeReleased=amount) for amount in (USDC, 2 * USDC)
    ]
    at(world, until)
    world.escrow.releaseWithSignature(terms.tuple(), USDC, until, signatures[0], sender=world.stranger)
    at(world, until + 1)
    with ape.reverts(world.escrow.Escrow_SignatureExpired, validUntil=until):
        world.escrow.releaseWithSignature(terms.tuple(), 2 * USDC, until, signatures[1], sender=world.stranger)


def test_withdrawal__counts_in_its_last_second_and_no_second_later(world):
    terms = world.terms()
    world.escrow.fund(terms.tuple(), sender=world.client)
    world.escrow.cancel(terms.tuple(), sender=world.client)
    until = soon(world)
    fields = {"account": world.client.address, "to": world.verifier.address, "amount": 1, "validUntil": until}
    signatures = [world.sign_escrow(world.client, "Withdrawal", **fields, nonce=nonce) for nonce in (0, 1)]
    call = (world.client, world.verifier, 1, until)
    at(world, until)
    world.escrow.withdrawWithSignature(*call, signatures[0], sender=world.stranger)
    assert world.escrow.withdrawalNonce(world.client) == 1
    at(world, until + 1)
    with ape.reverts(world.escrow.Ledger_SignatureExpired, validUntil=until):
        world.escrow.withdrawWithSignature(*call, signatures[1], sender=world.stranger)


# Money --------------------------------------------------------------------------------------------------------------


def test_the_smallest_escrow_goes_all_the_way(world):
    terms = world.accepted(amount=1)
    assert world.reputation.stakeOf(world.provider).locked == 1
    world.escrow.submit(terms.tuple(), RESULT, sender=world.provider)
    receipt = world.escrow.release(terms.tuple(), 1, sender=world.client)
    (released,) = world.escrow.EscrowReleased.from_receipt(receipt)
    assert (bytes(released.id), released.amount, released.fee) == (world.id_of(terms), 1, 0)
    assert world.escrow.balanceOf(world.treasury) == 0
    receipt = world.escrow.withdraw(1, sender=world.provider)
    (withdrawn,) = world.escrow.Withdrawn.from_receipt(receipt)
    assert (withdrawn.account, withdrawn.to, withdrawn.amount) == (world.provider, world.provider, 1)
    assert world.escrow.balanceOf(world.provider) == 0


@pytest.mark.parametrize("parts", [(25 * USDC,), (1, 25 * USDC), (39, 40, 79, 80, 12_345_678, 25 * USDC)])
def test_fee__is_that_of_the_whole_however_it_is_sliced(world, parts):
    terms = world.submitted(amount=25 * USDC)
    before = 0
    for cumulative in parts:
        receipt = world.escrow.release(terms.tuple(), cumulative, sender=world.client)
        (released,) = world.escrow.EscrowReleased.from_receipt(receipt)
        assert (released.amount, released.fee) == (cumulative - before, cumulative // 40 - before // 40)
        assert world.escrow.balanceOf(world.treasury) == cumulative // 40
        assert world.escrow.balanceOf(world.provider) == cumulative - cumulative // 40
        before = cumulative


def test_fees__wait_for_their_recipient_and_are_his_once(world):
    for salt in (1, 2):
        terms = world.submitted(salt=salt)
        world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    fees = 2 * terms.amount // 40
    with ape.reverts(world.escrow.Ledger_InsufficientBalance, account=world.treasury.address, have=fees, need=fees + 1):
        world.escrow.withdraw(fees + 1, sender=world.treasury)
    world.escrow.withdraw(fees - 1, sender=world.treasury)
    assert world.escrow.balanceOf(world.treasury) == 1
    terms = world.submitted(salt=3)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    world.escrow.withdraw(1 + terms.amount // 40, sender=world.treasury)
    assert world.escrow.balanceOf(world.treasury) == 0
    assert world.usdc.balanceOf(world.treasury) == fees + terms.amount // 40


def test_set_fee_recipient__leaves_what_waits_to_the_former(world):
    terms = world.submitted(salt=1)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    fee = terms.amount // 40
    receipt = world.escrow.setFeeRecipient(world.verifier, sender=world.owner)
    (changed,) = world.escrow.FeeRecipientChanged.from_receipt(receipt)
    assert changed.feeRecipient == world.verifier
    assert (world.escrow.balanceOf(world.treasury), world.escrow.balanceOf(world.verifier)) == (fee, 0)
    terms = world.submitted(salt=2)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert (world.escrow.balanceOf(world.treasury), world.escrow.balanceOf(world.verifier)) == (fee, fee)
    for account in (world.treasury, world.verifier):
        world.escrow.withdraw(fee, sender=account)
    with ape.reverts(world.escrow.OwnableUnauthorizedAccount):
        world.escrow.setFeeRecipient(world.stranger, sender=world.stranger)


def test_set_fee__up_to_the_cap(world):
    receipt = world.escrow.setFee(500, sender=world.owner)
    (changed,) = world.escrow.FeeChanged.from_receipt(receipt)
    assert (changed.feeBps, world.escrow.feeBps()) == (500, 500)
    with ape.reverts(world.escrow.Escrow_FeeAboveCap, feeBps=501, cap=500):
        world.escrow.setFee(501, sender=world.owner)
    with ape.reverts(world.escrow.Escrow_FeeMismatch, terms=250, current=500):
        fund(world)


def test_stake__is_a_fifth_rounded_up(world):
    for salt, (amount, stake) in enumerate(((5, 1), (6, 2), (10, 2), (11, 3), (25 * USDC + 1, 5 * USDC + 1))):
        before = world.reputation.stakeOf(world.provider).locked
        terms = world.terms(amount=amount, salt=salt)
        receipt = world.fund_signed(terms, world.acceptance(terms))
        (accepted,) = world.escrow.EscrowAccepted.from_receipt(receipt)
        assert (accepted.stake, world.reputation.stakeOf(world.provider).locked - before) == (stake, stake)


@pytest.mark.parametrize(
    ("amount", "fee_bps", "bonus"),
    [
        (100 * USDC, 250, USDC),  # 5% of the stake, below half of the fee
        (100 * USDC, 150, 750_000),  # half of the fee
        (100 * USDC, 0, 0),
    ],
)
def test_bonus__is_the_smaller_of_a_share_of_the_stake_and_half_of_the_fee(world, amount, fee_bps, bonus):
    world.reputation.fundBonusPool(10 * USDC, sender=world.client)
    world.escrow.setFee(fee_bps, sender=world.owner)
    terms = world.submitted(amount=amount, fee_bps=fee_bps)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert world.reputation.balanceOf(world.provider) == bonus


def test_refund__of_a_part_punishes_that_part_rounded_up(world):
    terms = world.submitted(amount=7)
    assert world.reputation.stakeOf(world.provider).locked == 2
    world.escrow.release(terms.tuple(), 6, sender=world.client)
    receipt = world.escrow.refund(terms.tuple(), 1, sender=world.provider)
    (refunded,) = world.escrow.EscrowRefunded.from_receipt(receipt)
    assert refunded.amount == 1
    # a tenth of two units, a seventh of that: one unit
    assert world.reputation.balanceOf(world.client) == 1
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC - 1


def test_refund__outcome_follows_from_status_and_time(world):
    early, late, partial = world.accepted(salt=1), world.accepted(salt=2), world.accepted(salt=3)
    at(world, late.deliver_by - 2)
    world.escrow.refund(early.tuple(), early.amount, sender=world.provider)
    at(world, late.deliver_by)
    world.escrow.refund(late.tuple(), late.amount, sender=world.provider)
    outcomes = [world.escrow.stateOf(world.id_of(terms)).ruling for terms in (early, late)]
    assert outcomes == [RETURNED, MISSED]
    # made last, maybe a second or two later
    world.pass_to(partial.deliver_by + 60)
    world.escrow.release(partial.tuple(), USDC, sender=world.client)
    world.escrow.refund(partial.tuple(), partial.amount - USDC, sender=world.provider)
    state = world.escrow.stateOf(world.id_of(partial))
    assert (state.status, state.ruling, state.released, state.refunded) == (CLOSED, MISSED, USDC, partial.amount - USDC)


def test_amounts__only_grow_and_never_meet(world):
    terms = world.submitted()
    world.escrow.release(terms.tuple(), 10 * USDC, sender=world.client)
    world.escrow.refund(terms.tuple(), 5 * USDC, sender=world.provider)
    escrow_id = world.id_of(terms)
    for requested in (9 * USDC, 10 * USDC):
        with ape.reverts(world.escrow.Escrow_NotIncreasing, id=escrow_id, current=10 * USDC, requested=requested):
            world.escrow.release(terms.tuple(), requested, sender=world.client)
    with ape.reverts(
        world.escrow.Escrow_ReleaseExceedsAmount, id=escrow_id, requested=20 * USDC + 1, available=20 * USDC
    ):
        world.escrow.release(terms.tuple(), 20 * USDC + 1, sender=world.client)
    with ape.reverts(
        world.escrow.Escrow_ReleaseExceedsAmount, id=escrow_id, requested=15 * USDC + 1, available=15 * USDC
    ):
        world.escrow.refund(terms.tuple(), 15 * USDC + 1, sender=world.provider)
    world.escrow.release(terms.tuple(), 20 * USDC, sender=world.client)
    state = world.escrow.stateOf(escrow_id)
    assert (state.status, state.ruling, state.released, state.refunded) == (CLOSED, COMPLETED, 20 * USDC, 5 * USDC)


def test_refund_and_pay__of_a_part_keeps_the_escrow_open(world):
    terms = world.submitted()
    before = world.usdc.balanceOf(world.client)
    receipt = world.escrow.refundAndPay(terms.tuple(), USDC, sender=world.provider)
    assert world.usdc.balanceOf(world.client) == before + USDC
    assert (world.status(terms), world.escrow.balanceOf(world.client)) == (SUBMITTED, 0)
    (paid,) = world.escrow.Withdrawn.from_receipt(receipt)
    assert (paid.account, paid.to, paid.amount) == (world.client, world.client, USDC)
    receipt = world.escrow.releaseAndPay(terms.tuple(), 4 * USDC, sender=world.client)
    assert world.escrow.balanceOf(world.treasury) == 4 * USDC // 40
    assert [event.amount for event in world.escrow.Withdrawn.from_receipt(receipt)] == [4 * USDC * 39 // 40]
