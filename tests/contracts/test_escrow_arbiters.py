"""Escrow before arbiters who take too much or too little, answer nonsense, or do not answer; bonds to the last unit."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.contracts.world import FOREVER, USDC, ZERO, Terms, World, nonce_of

SUBMITTED, CHALLENGED, DISPUTED, RULED, CLOSED = 3, 4, 5, 6, 7
SETTLED, LOST, WON, TIE, STALLED = 2, 5, 6, 7, 8
HONEST, REVERTS, BURNS_GAS, GARBAGE, BOMB, SHORT = range(6)
EXACT, LESS, MORE, NOTHING, FEE_REVERTS = range(5)
APPEALABLE, SOLVED = 1, 2
RESERVE = 200_000 + 200_000 // 63 + 20_000
DAY = 86400
FEE = 3 * USDC + 1
IN_BALANCE = 20 * USDC
EVIDENCE = b"\x33" * 32
NO_BOND = (0, b"")


@pytest.fixture(scope="module")
def arbiter(world: World, project: Any) -> Any:
    """An arbiter who does as he is told, and parties with something in their balances."""
    for client, provider in ((world.client, world.provider), (world.provider, world.client)):
        terms = world.terms(client=client.address, provider=provider.address, amount=IN_BALANCE, salt=99)
        world.escrow.fund(terms.tuple(), sender=client)
        world.escrow.cancel(terms.tuple(), sender=client)
    arbiter = world.owner.deploy(project.MaliciousArbiter)
    arbiter.setFee(FEE, EXACT, sender=world.owner)
    return arbiter


def at(world: World, timestamp: int) -> None:
    """Let the next transaction be mined at a second."""
    world.chain.pending_timestamp = timestamp


def clock(world: World, terms: Terms) -> int:
    return int(world.escrow.stateOf(world.id_of(terms)).clock)


def challenged(world: World, arbiter: Any, **changes: Any) -> Terms:
    terms = world.submitted(arbiter=arbiter.address, **changes)
    world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)
    return terms


def disputed(world: World, arbiter: Any, **changes: Any) -> Terms:
    terms = challenged(world, arbiter, **changes)
    world.escrow.respond(terms.tuple(), sender=world.provider)
    return terms


def ending(world: World, terms: Terms) -> tuple[int, int, int, int]:
    state = world.escrow.stateOf(world.id_of(terms))
    return state.status, state.ruling, state.released, state.refunded


# What it costs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fee", [2**96, 2**256 - 1])
def test_dispute__reverts_when_the_fee_cannot_be_real(world, arbiter, fee):
    arbiter.setFee(fee, EXACT, sender=world.owner)
    terms = world.submitted(arbiter=arbiter.address)
    with ape.reverts(world.escrow.Escrow_ArbiterFailed, arbiter=arbiter.address):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)


def test_dispute__reverts_when_the_arbiter_names_no_fee(world, arbiter):
    for mute in (world.stranger.address, world.usdc.address):
        terms = world.submitted(arbiter=mute)
        with ape.reverts(world.escrow.Escrow_ArbiterFailed, arbiter=mute):
            world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)


def test_dispute__bond_may_be_the_whole_price_and_no_unit_more(world, arbiter):
    arbiter.setFee(2 * USDC, EXACT, sender=world.owner)
    whole = world.submitted(arbiter=arbiter.address, amount=2 * USDC, salt=1)
    world.escrow.dispute(whole.tuple(), EVIDENCE, sender=world.client)
    less = world.submitted(arbiter=arbiter.address, amount=2 * USDC - 1, salt=2)
    with ape.reverts(world.escrow.Escrow_BondAboveAmount, id=world.id_of(less), bond=2 * USDC, amount=2 * USDC - 1):
        world.escrow.dispute(less.tuple(), EVIDENCE, sender=world.client)


def test_dispute__may_cost_nothing(world, arbiter):
    arbiter.setFee(0, EXACT, sender=world.owner)
    terms = world.submitted(arbiter=arbiter.address)
    receipt = world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)
    assert [event.amount for event in world.escrow.BondPosted.from_receipt(receipt)] == [0]
    assert not list(world.escrow.BalanceSpent.from_receipt(receipt))
    receipt = world.escrow.respond(terms.tuple(), sender=world.provider)
    assert not list(world.usdc.Approval.from_receipt(receipt))
    at(world, clock(world, terms))
    receipt = world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    assert not list(world.escrow.BondReturned.from_receipt(receipt))
    assert ending(world, terms) == (CLOSED, STALLED, terms.amount // 2, terms.amount // 2)


def test_dispute__of_one_unit_of_bond(world, arbiter):
    arbiter.setFee(1, EXACT, sender=world.owner)
    terms = disputed(world, arbiter)
    assert world.usdc.balanceOf(arbiter) == 1
    assert world.usdc.allowance(world.escrow, arbiter) == 0
    at(world, clock(world, terms))
    receipt = world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    # an odd unit goes to the client
    returned = [(event.account, event.amount) for event in world.escrow.BondReturned.from_receipt(receipt)]
    assert returned == [(world.client.address, 1)]


def test_bonds__say_whose_they_are(world, arbiter):
    terms = world.submitted(arbiter=arbiter.address)
    for party, name, arguments in ((world.client, "dispute", (EVIDENCE,)), (world.provider, "respond", ())):
        receipt = getattr(world.escrow, name)(terms.tuple(), *arguments, sender=party)
        (posted,) = world.escrow.BondPosted.from_receipt(receipt)
        assert (bytes(posted.id), posted.party, posted.amount) == (world.id_of(terms), party.address, FEE)
        (spent,) = world.escrow.BalanceSpent.from_receipt(receipt)
        assert (spent.account, bytes(spent.id), spent.amount) == (party.address, world.id_of(terms), FEE)
    assert world.escrow.disputes(world.id_of(terms)).clientBond == FEE


def test_bonds__by_signature_come_from_the_balance_without_an_authorization(world, arbiter):
    terms = world.submitted(arbiter=arbiter.address)
    common = {"escrowId": world.id_of(terms), "validUntil": FOREVER}
    dispute = world.sign_escrow(world.client, "Dispute", **common, evidenceHash=EVIDENCE)
    world.escrow.disputeWithSignature(terms.tuple(), EVIDENCE, FOREVER, dispute, NO_BOND, sender=world.stranger)
    response = world.sign_escrow(world.provider, "Response", **common)
    world.escrow.respondWithSignature(terms.tuple(), FOREVER, response, NO_BOND, sender=world.stranger)
    assert world.status(terms) == DISPUTED
    for party in (world.client, world.provider):
        assert world.escrow.balanceOf(party) == IN_BALANCE - FEE


def test_bonds__from_the_wallet_are_valid_at_once_and_once(world, arbiter):
    terms = world.submitted(arbiter=arbiter.address)
    nonce = nonce_of(("bytes32", world.id_of(terms)), ("string", "bond"), ("address", world.client.address))
    before = world.usdc.balanceOf(world.client)
    signature = world.authorization(world.client, world.escrow, FEE, nonce)
    receipt = world.escrow.disputeWithSignature(
        terms.tuple(), EVIDENCE, 0, b"", (FOREVER, signature), sender=world.client
    )
    assert world.usdc.balanceOf(world.client) == before - FEE
    assert [event.amount for event in world.escrow.BondPosted.from_receipt(receipt)] == [FEE]
    assert world.usdc.authorizationState(world.client, nonce)


# What it takes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "taken"), [(LESS, FEE - 1), (NOTHING, 0)])
def test_respond__reverts_when_the_arbiter_takes_too_little(world, arbiter, mode, taken):
    terms = challenged(world, arbiter)
    arbiter.setFee(FEE, mode, sender=world.owner)
    held = world.usdc.balanceOf(world.escrow)
    with ape.reverts(
        world.escrow.Escrow_ArbiterFeeMismatch, id=world.id_of(terms), balance=held - taken, expected=held - FEE
    ):
        world.escrow.respond(terms.tuple(), sender=world.provider)
    assert world.status(terms) == CHALLENGED


@pytest.mark.parametrize("mode", [MORE, FEE_REVERTS])
def test_respond__reverts_when_the_arbiter_takes_too_much_or_fails(world, arbiter, mode):
    terms = challenged(world, arbiter)
    arbiter.setFee(FEE, mode, sender=world.owner)
    with ape.reverts():
        world.escrow.respond(terms.tuple(), sender=world.provider)
    assert (world.status(terms), world.usdc.allowance(world.escrow, arbiter)) == (CHALLENGED, 0)


def test_respond__keeps_the_arbiter_out_while_he_is_asked(world, arbiter):
    terms = challenged(world, arbiter)
    arbiter.setCallback(world.escrow.resolveStalled.encode_input(terms.tuple()), sender=world.owner)
    world.escrow.respond(terms.tuple(), sender=world.provider)
    assert not arbiter.callbackSucceeded()
    assert world.status(terms) == DISPUTED


def test_respond__wants_a_number_of_its_own(world, arbiter):
    first, second = challenged(world, arbiter, salt=1), challenged(world, arbiter, salt=2)
    arbiter.setNextId(7, sender=world.owner)
    world.escrow.respond(first.tuple(), sender=world.provider)
    with ape.reverts(world.escrow.Escrow_DisputeIdTaken, arbiter=arbiter.address, disputeId=7):
        world.escrow.respond(second.tuple(), sender=world.provider)
    arbiter.setNextId(2**160, sender=world.owner)
    with ape.reverts(world.escrow.Escrow_DisputeIdTaken, arbiter=arbiter.address, disputeId=2**160):
        world.escrow.respond(second.tuple(), sender=world.provider)
    arbiter.setNextId(2**160 - 1, sender=world.owner)
    receipt = world.escrow.respond(second.tuple(), sender=world.provider)
    (joined,) = world.escrow.DisputeJoined.from_receipt(receipt)
    assert (bytes(joined.id), joined.disputeId) == (world.id_of(second), 2**160 - 1)
    for terms, number in ((first, 7), (second, 2**160 - 1)):
        assert bytes(world.escrow.escrowOfDispute(arbiter, number)) == world.id_of(terms)
        assert world.escrow.disputes(world.id_of(terms)).disputeId == number
        assert world.escrow.disputes(world.id_of(terms)).clientBond == FEE


# How long it takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "duration", "time"),
    [
        (HONEST, 40 * DAY, 40 * DAY),
        (HONEST, 30 * DAY, 30 * DAY),
        (HONEST, 20 * DAY, 30 * DAY),
        (HONEST, 180 * DAY, 180 * DAY),
        (HONEST, 180 * DAY + 1, 180 * DAY),
        (GARBAGE, 1, 180 * DAY),
        (REVERTS, 40 * DAY, 30 * DAY),
        (BURNS_GAS, 40 * DAY, 30 * DAY),
        (BOMB, 40 * DAY, 30 * DAY),
        (SHORT, 40 * DAY, 30 * DAY),
    ],
)
def test_respond__gives_the_arbiter_the_time_he_says_or_that_of_the_terms(world, arbiter, mode, duration, time):
    terms = challenged(world, arbiter, dispute_timeout=30 * DAY)
    arbiter.setViews(mode, duration, 0, 0, sender=world.owner)
    receipt = world.escrow.respond(terms.tuple(), sender=world.provider)
    assert clock(world, terms) == world.chain.blocks.head.timestamp + time
    assert [event.decideBy for event in world.escrow.DisputeJoined.from_receipt(receipt)] == [clock(world, terms)]


def test_dispute__until_the_second_before_the_clock(world, arbiter):
    late, timely = (world.submitted(arbiter=arbiter.address, salt=salt) for salt in (1, 2))
    at(world, clock(world, late) - 1)
    receipt = world.escrow.dispute(timely.tuple(), EVIDENCE, sender=world.client)
    (raised,) = world.escrow.DisputeRaised.from_receipt(receipt)
    assert (bytes(raised.id), raised.respondBy) == (world.id_of(timely), clock(world, timely))
    at(world, clock(world, late))
    with ape.reverts(world.escrow.Escrow_ChallengeOver, id=world.id_of(late), endedAt=clock(world, late)):
        world.escrow.dispute(late.tuple(), EVIDENCE, sender=world.client)


def test_respond__until_the_second_before_the_clock_and_default_from_it(world, arbiter):
    late, timely = (challenged(world, arbiter, salt=salt) for salt in (1, 2))
    end = clock(world, late)
    at(world, end - 1)
    world.escrow.respond(timely.tuple(), sender=world.provider)
    at(world, end)
    with ape.reverts(world.escrow.Escrow_ChallengeOver, id=world.id_of(late), endedAt=end):
        world.escrow.respond(late.tuple(), sender=world.provider)
    other = challenged(world, arbiter, salt=3)
    at(world, clock(world, other) - 1)
    with ape.reverts(world.escrow.Escrow_ChallengeActive, endsAt=clock(world, other)):
        world.escrow.claimDefault(other.tuple(), sender=world.stranger)
    at(world, clock(world, other))
    receipt = world.escrow.claimDefault(other.tuple(), sender=world.stranger)
    (defaulted,) = world.escrow.DisputeDefaulted.from_receipt(receipt)
    assert (bytes(defaulted.id), defaulted.winner) == (world.id_of(other), world.client.address)
    returned = [(event.account, event.amount) for event in world.escrow.BondReturned.from_receipt(receipt)]
    assert returned == [(world.client.address, FEE)]


def test_resolve_stalled__from_the_clock_and_no_second_sooner(world, arbiter):
    terms = disputed(world, arbiter)
    at(world, clock(world, terms) - 1)
    with ape.reverts(world.escrow.Escrow_DeadlineNotReached, deadline=clock(world, terms)):
        world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    at(world, clock(world, terms))
    world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    assert ending(world, terms)[:2] == (CLOSED, STALLED)


# How it ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((HONEST, SOLVED, 0), TIE),
        ((HONEST, SOLVED, 1), LOST),
        ((HONEST, SOLVED, 2), WON),
        ((HONEST, SOLVED, 3), STALLED),
        ((HONEST, APPEALABLE, 1), STALLED),
        ((HONEST, 3, 1), STALLED),
        ((REVERTS, SOLVED, 1), STALLED),
        ((BURNS_GAS, SOLVED, 1), STALLED),
        ((GARBAGE, SOLVED, 1), STALLED),
        ((BOMB, SOLVED, 1), STALLED),
        ((SHORT, SOLVED, 1), STALLED),
    ],
)
def test_resolve_stalled__takes_a_final_ruling_or_halves(world, arbiter, answer, outcome):
    mode, status, ruling = answer
    terms = disputed(world, arbiter, amount=25 * USDC + 1)
    arbiter.setViews(mode, 0, status, ruling, sender=world.owner)
    at(world, clock(world, terms))
    receipt = world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    half = terms.amount // 2
    paid = {LOST: 0, WON: terms.amount}.get(outcome, half)
    assert ending(world, terms) == (CLOSED, outcome, paid, terms.amount - paid)
    bond = {LOST: 0, WON: FEE}.get(outcome, FEE // 2)
    returned = {event.account: event.amount for event in world.escrow.BondReturned.from_receipt(receipt)}
    shares = {world.provider.address: bond, world.client.address: FEE - bond}
    assert returned == {account: amount for account, amount in shares.items() if amount}
    assert world.escrow.disputes(world.id_of(terms)).clientBond == 0
    rulings = [(event.arbitrator, event.disputeID, event.ruling) for event in world.escrow.Ruling.from_receipt(receipt)]
    assert rulings == ([] if outcome == STALLED else [(arbiter.address, 0, ruling)])


@pytest.mark.parametrize(("status", "ruling"), [(APPEALABLE, 1), (3, 1), (0, 1)])
def test_execute__reverts_without_a_final_ruling(world, arbiter, status, ruling):
    terms = disputed(world, arbiter)
    arbiter.setViews(HONEST, 0, status, ruling, sender=world.owner)
    with ape.reverts(world.escrow.Escrow_NotRuled, id=world.id_of(terms)):
        world.escrow.execute(terms.tuple(), sender=world.stranger)


@pytest.mark.parametrize(("ruling", "outcome"), [(0, TIE), (1, LOST), (2, WON)])
def test_execute__carries_out_a_final_ruling_that_was_not_delivered(world, arbiter, ruling, outcome):
    terms = disputed(world, arbiter)
    arbiter.setViews(HONEST, 0, SOLVED, 3, sender=world.owner)
    with ape.reverts(world.escrow.Escrow_InvalidRuling, ruling=3):
        world.escrow.execute(terms.tuple(), sender=world.stranger)
    arbiter.setViews(HONEST, 0, SOLVED, ruling, sender=world.owner)
    receipt = world.escrow.execute(terms.tuple(), sender=world.stranger)
    assert ending(world, terms)[:2] == (CLOSED, outcome)
    rulings = [(event.arbitrator, event.disputeID, event.ruling) for event in world.escrow.Ruling.from_receipt(receipt)]
    assert rulings == [(arbiter.address, 0, ruling)]


@pytest.mark.parametrize(("ruling", "outcome"), [(0, TIE), (1, LOST), (2, WON)])
def test_rule__is_recorded_once_and_carried_out_as_recorded(world, arbiter, ruling, outcome):
    terms = disputed(world, arbiter)
    for number, success in ((3, False), (ruling, True), ((ruling + 1) % 3, True)):
        receipt = arbiter.act(world.escrow, world.escrow.rule.encode_input(0, number), sender=world.owner)
        assert not receipt.failed
        assert len(list(world.escrow.Ruling.from_receipt(receipt))) == (success and number == ruling)
    assert ending(world, terms) == (RULED, ruling, 0, 0)
    for name, caller in (("resolveStalled", world.stranger), ("claimDefault", world.stranger)):
        with ape.reverts(world.escrow.Escrow_WrongStatus, actual=RULED):
            getattr(world.escrow, name)(terms.tuple(), sender=caller)
    for name in ("refund", "refundAndPay"):
        with ape.reverts(world.escrow.Escrow_WrongStatus, actual=RULED):
            getattr(world.escrow, name)(terms.tuple(), 1, sender=world.provider)
    world.escrow.execute(terms.tuple(), sender=world.stranger)
    assert ending(world, terms)[:2] == (CLOSED, outcome)


def test_rule__reverts_for_numbers_of_nobody(world, arbiter):
    disputed(world, arbiter)
    for sender, number in ((world.owner, 0), (world.client, 0), (world.provider, 1)):
        with ape.reverts(world.escrow.Escrow_CallerNotArbiter, id=bytes(32), caller=sender.address):
            world.escrow.rule(number, 1, sender=sender)


def test_rule__before_a_party_settled_otherwise_changes_nothing(world, arbiter):
    terms = disputed(world, arbiter)
    world.escrow.refund(terms.tuple(), USDC, sender=world.provider)
    assert ending(world, terms) == (DISPUTED, 0, 0, USDC)
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)
    arbiter.act(world.escrow, world.escrow.rule.encode_input(0, 2), sender=world.owner)
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)


def test_split__of_a_challenge_returns_the_bond_to_the_client(world, arbiter):
    terms = challenged(world, arbiter)
    message = {"escrowId": world.id_of(terms), "toProvider": 10 * USDC, "toClient": 15 * USDC, "validUntil": FOREVER}
    signatures = [world.sign_escrow(party, "Split", **message) for party in (world.client, world.provider)]
    world.escrow.split(terms.tuple(), 10 * USDC, 15 * USDC, FOREVER, *signatures, sender=world.stranger)
    assert ending(world, terms) == (CLOSED, SETTLED, 10 * USDC, 15 * USDC)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE + 15 * USDC


def test_questions__revert_when_the_caller_brings_too_little_gas(world, arbiter):
    terms = world.submitted(arbiter=arbiter.address)
    with ape.reverts(world.escrow.Escrow_InsufficientGas, need=RESERVE):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client, gas=RESERVE + 21_000)
    with ape.reverts(world.escrow.Escrow_NoArbiter):
        world.escrow.dispute(world.submitted(arbiter=ZERO, salt=2).tuple(), EVIDENCE, sender=world.client)
