"""Escrow: disputes from the challenge to the end, with an arbitrator that is not ours."""

from __future__ import annotations

import json
from typing import Any

import ape
import pytest

from tests.contracts.world import FOREVER, USDC, Terms, World, nonce_of

SUBMITTED, CHALLENGED, DISPUTED, RULED, CLOSED = 3, 4, 5, 6, 7
SETTLED, RETURNED, LOST, WON, TIE, STALLED = 2, 3, 5, 6, 7, 8
FEE = 3 * USDC + 1
EVIDENCE = b"\x33" * 32
IN_BALANCE = 20 * USDC
NO_BOND = (0, b"")


@pytest.fixture(scope="module")
def arbitrator(world: World, project: Any) -> Any:
    """An arbitrator, and parties with something in their balances."""
    for client, provider in ((world.client, world.provider), (world.provider, world.client)):
        terms = world.terms(client=client.address, provider=provider.address, amount=IN_BALANCE, salt=99)
        world.escrow.fund(terms.tuple(), sender=client)
        world.escrow.cancel(terms.tuple(), sender=client)
    return world.owner.deploy(project.MockArbitrator, world.owner, FEE)


def submitted(world: World, arbitrator: Any, **changes: Any) -> Terms:
    return world.submitted(arbiter=arbitrator.address, **changes)


def challenged(world: World, arbitrator: Any, **changes: Any) -> Terms:
    terms = submitted(world, arbitrator, **changes)
    world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)
    return terms


def disputed(world: World, arbitrator: Any, **changes: Any) -> Terms:
    terms = challenged(world, arbitrator, **changes)
    world.escrow.respond(terms.tuple(), sender=world.provider)
    return terms


def clock(world: World, terms: Terms) -> int:
    return int(world.escrow.stateOf(world.id_of(terms)).clock)


def ending(world: World, terms: Terms) -> tuple[int, int, int, int]:
    state = world.escrow.stateOf(world.id_of(terms))
    return state.status, state.ruling, state.released, state.refunded


def bond(world: World, signer: Any, terms: Terms, value: int = FEE) -> tuple[int, bytes]:
    nonce = nonce_of(("bytes32", world.id_of(terms)), ("string", "bond"), ("address", signer.address))
    return FOREVER, world.authorization(signer, world.escrow, value, nonce)


def test_dispute__reverts_when_not_submitted(world, arbitrator):
    terms = world.accepted(arbiter=arbitrator.address)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)


def test_dispute__reverts_when_the_period_is_over(world, arbitrator):
    terms = submitted(world, arbitrator)
    world.pass_to(clock(world, terms))
    with ape.reverts(world.escrow.Escrow_ChallengeOver):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)


def test_dispute__reverts_when_the_caller_is_not_the_client(world, arbitrator):
    terms = submitted(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.provider)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.disputeWithSignature(
            terms.tuple(), EVIDENCE, FOREVER, b"\x01" * 65, NO_BOND, sender=world.stranger
        )


def test_dispute__reverts_without_arbiter(world, arbitrator):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_NoArbiter):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)


def test_dispute__reverts_when_the_bond_is_above_the_price(world, arbitrator):
    terms = submitted(world, arbitrator, amount=FEE - 1)
    with ape.reverts(world.escrow.Escrow_BondAboveAmount):
        world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)
    world.escrow.disputeWithSignature(
        terms.tuple(), EVIDENCE, 0, b"", bond(world, world.client, terms), sender=world.client
    )
    assert world.status(terms) == CHALLENGED


def test_dispute__takes_the_bond_and_starts_the_response_period(world, arbitrator):
    terms = submitted(world, arbitrator)
    receipt = world.escrow.dispute(terms.tuple(), EVIDENCE, sender=world.client)
    assert world.status(terms) == CHALLENGED
    assert world.escrow.balanceOf(world.client) == IN_BALANCE - FEE
    assert world.escrow.disputes(world.id_of(terms)).clientBond == FEE
    assert clock(world, terms) == world.chain.blocks.head.timestamp + terms.challenge_period
    (raised,) = world.escrow.DisputeRaised.from_receipt(receipt)
    assert (raised.by, bytes(raised.evidenceHash)) == (world.client.address, EVIDENCE)
    (spent,) = world.escrow.BalanceSpent.from_receipt(receipt)
    assert (spent.account, spent.amount) == (world.client.address, FEE)


def test_dispute__takes_a_signed_bond_from_the_wallet(world, arbitrator):
    terms = submitted(world, arbitrator)
    message = {"escrowId": world.id_of(terms), "evidenceHash": EVIDENCE, "validUntil": FOREVER}
    signature = world.sign_escrow(world.client, "Dispute", **message)
    with ape.reverts():
        world.escrow.disputeWithSignature(
            terms.tuple(),
            EVIDENCE,
            FOREVER,
            signature,
            bond(world, world.client, terms, FEE + 1),
            sender=world.stranger,
        )
    before = world.usdc.balanceOf(world.client)
    receipt = world.escrow.disputeWithSignature(
        terms.tuple(), EVIDENCE, FOREVER, signature, bond(world, world.client, terms), sender=world.stranger
    )
    assert world.usdc.balanceOf(world.client) == before - FEE
    assert world.escrow.balanceOf(world.client) == IN_BALANCE
    assert not list(world.escrow.BalanceSpent.from_receipt(receipt))


def test_respond__reverts_when_not_challenged(world, arbitrator):
    terms = submitted(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.respond(terms.tuple(), sender=world.provider)


def test_respond__reverts_when_the_period_is_over(world, arbitrator):
    terms = challenged(world, arbitrator)
    world.pass_to(clock(world, terms))
    with ape.reverts(world.escrow.Escrow_ChallengeOver):
        world.escrow.respond(terms.tuple(), sender=world.provider)


def test_respond__reverts_when_the_caller_is_not_the_provider(world, arbitrator):
    terms = challenged(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_CallerNotProvider):
        world.escrow.respond(terms.tuple(), sender=world.client)


def test_respond__pays_the_arbiter_and_creates_the_dispute(world, arbitrator):
    terms = challenged(world, arbitrator)
    receipt = world.escrow.respond(terms.tuple(), sender=world.provider)
    assert world.usdc.balanceOf(arbitrator) == FEE
    assert world.usdc.allowance(world.escrow, arbitrator) == 0
    assert world.escrow.balanceOf(world.provider) == IN_BALANCE - FEE
    assert clock(world, terms) == world.chain.blocks.head.timestamp + terms.dispute_timeout
    (joined,) = world.escrow.DisputeJoined.from_receipt(receipt)
    assert (joined.disputeId, joined.decideBy) == (0, clock(world, terms))
    assert bytes(world.escrow.escrowOfDispute(arbitrator, 0)) == world.id_of(terms)
    said = bytes(arbitrator.extraDataOf(0))
    parties = (world.client.address, world.provider.address)
    assert said[:32] == world.id_of(terms)
    assert [said[at + 12 : at + 32].hex() for at in (32, 64)] == [party[2:].lower() for party in parties]


def test_respond__names_the_dispute_by_erc_1497(world, arbitrator, chain):
    (meta,) = world.escrow.MetaEvidence.range(chain.blocks.height + 1)
    question = json.loads(meta.evidence.removeprefix("data:application/json,"))
    assert question["rulingOptions"]["titles"] == ["Client", "Provider"]
    terms = challenged(world, arbitrator)
    receipt = world.escrow.respond(terms.tuple(), sender=world.provider)
    (named,) = world.escrow.Dispute.from_receipt(receipt)
    assert (named.arbitrator, named.disputeID) == (arbitrator.address, 0)
    assert (named.metaEvidenceID, named.evidenceGroupID) == (meta.metaEvidenceID, 0)


def test_respond__by_signature_with_a_bond_from_the_wallet(world, arbitrator):
    terms = challenged(world, arbitrator)
    signature = world.sign_escrow(world.provider, "Response", escrowId=world.id_of(terms), validUntil=FOREVER)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.respondWithSignature(terms.tuple(), FOREVER, b"\x01" * 65, NO_BOND, sender=world.stranger)
    world.escrow.respondWithSignature(
        terms.tuple(), FOREVER, signature, bond(world, world.provider, terms), sender=world.stranger
    )
    assert world.status(terms) == DISPUTED
    assert world.escrow.balanceOf(world.provider) == IN_BALANCE


def test_claim_default__reverts_when_not_challenged(world, arbitrator):
    terms = disputed(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.claimDefault(terms.tuple(), sender=world.stranger)


def test_claim_default__reverts_before_the_clock(world, arbitrator):
    terms = challenged(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_ChallengeActive):
        world.escrow.claimDefault(terms.tuple(), sender=world.stranger)


def test_claim_default__gives_all_to_the_client(world, arbitrator):
    terms = challenged(world, arbitrator)
    world.pass_to(clock(world, terms))
    world.escrow.claimDefault(terms.tuple(), sender=world.stranger)
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE + terms.amount
    assert world.reputation.balanceOf(world.client) == terms.amount // 5 // 2
    assert world.reputation.bonusPool() == terms.amount // 5 // 2
    assert world.reputation.recordOf(world.provider).lost == 1


def test_rule__reverts_for_others_than_the_arbiter(world, arbitrator):
    disputed(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_CallerNotArbiter):
        world.escrow.rule(0, 1, sender=world.stranger)


def test_rule__reverts_when_the_ruling_is_unknown(world, arbitrator):
    terms = disputed(world, arbitrator)
    with ape.reverts():  # the arbitrator passes Escrow's error on, which is none of its own
        arbitrator.giveRuling(0, 3, sender=world.owner)
    assert world.status(terms) == DISPUTED
    arbitrator.decide(0, 3, sender=world.owner)
    with ape.reverts(world.escrow.Escrow_InvalidRuling):
        world.escrow.execute(terms.tuple(), sender=world.stranger)


def test_rule__records_and_moves_nothing(world, arbitrator):
    terms = disputed(world, arbitrator)
    receipt = arbitrator.giveRuling(0, 2, sender=world.owner)
    assert ending(world, terms) == (RULED, 2, 0, 0)
    (ruling,) = world.escrow.Ruling.from_receipt(receipt)
    assert (ruling.arbitrator, ruling.disputeID, ruling.ruling) == (arbitrator.address, 0, 2)


def test_rule__is_ignored_after_the_end(world, arbitrator):
    terms = disputed(world, arbitrator)
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    receipt = arbitrator.giveRuling(0, 2, sender=world.owner)
    assert not list(world.escrow.Ruling.from_receipt(receipt))
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)


@pytest.mark.parametrize(("ruling", "outcome"), [(0, TIE), (1, LOST), (2, WON)])
def test_execute__pays_by_every_ruling(world, arbitrator, ruling, outcome):
    terms = disputed(world, arbitrator, amount=25 * USDC - 1)
    to_provider = (terms.amount // 2, 0, terms.amount)[ruling]
    bond_to_provider = (FEE // 2, 0, FEE)[ruling]
    arbitrator.giveRuling(0, ruling, sender=world.owner)
    world.escrow.execute(terms.tuple(), sender=world.stranger)
    assert ending(world, terms) == (CLOSED, outcome, to_provider, terms.amount - to_provider)
    charge = to_provider * 250 // 10_000
    assert world.escrow.balanceOf(world.provider) == IN_BALANCE - FEE + bond_to_provider + to_provider - charge
    assert world.escrow.balanceOf(world.client) == IN_BALANCE - bond_to_provider + terms.amount - to_provider
    assert world.escrow.balanceOf(world.treasury) == charge
    assert world.reputation.stakeOf(world.provider).locked == 0


def test_execute__reads_a_ruling_that_was_not_delivered(world, arbitrator):
    terms = disputed(world, arbitrator)
    arbitrator.decide(0, 1, sender=world.owner)
    receipt = world.escrow.execute(terms.tuple(), sender=world.stranger)
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)
    assert len(list(world.escrow.Ruling.from_receipt(receipt))) == 1


def test_execute__reverts_without_final_ruling(world, arbitrator):
    terms = disputed(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_NotRuled):
        world.escrow.execute(terms.tuple(), sender=world.stranger)


def test_execute__reverts_when_not_disputed(world, arbitrator):
    terms = challenged(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.execute(terms.tuple(), sender=world.stranger)


def test_resolve_stalled__reverts_before_the_clock(world, arbitrator):
    terms = disputed(world, arbitrator)
    with ape.reverts(world.escrow.Escrow_DeadlineNotReached):
        world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)


def test_resolve_stalled__takes_a_final_ruling(world, arbitrator):
    terms = disputed(world, arbitrator)
    arbitrator.decide(0, 2, sender=world.owner)
    world.pass_to(clock(world, terms))
    world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    assert ending(world, terms) == (CLOSED, WON, terms.amount, 0)


def test_resolve_stalled__halves_with_the_odd_unit_to_the_client(world, arbitrator):
    terms = disputed(world, arbitrator, amount=25 * USDC + 1)
    world.pass_to(clock(world, terms))
    world.escrow.resolveStalled(terms.tuple(), sender=world.stranger)
    half = terms.amount // 2
    assert ending(world, terms) == (CLOSED, STALLED, half, half + 1)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE - FEE // 2 + half + 1
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC


def test_split__ends_a_dispute_and_halves_the_bond(world, arbitrator):
    terms = disputed(world, arbitrator)
    message = {"escrowId": world.id_of(terms), "toProvider": 10 * USDC, "toClient": 15 * USDC, "validUntil": FOREVER}
    signatures = [world.sign_escrow(party, "Split", **message) for party in (world.client, world.provider)]
    world.escrow.split(terms.tuple(), 10 * USDC, 15 * USDC, FOREVER, *signatures, sender=world.stranger)
    assert ending(world, terms) == (CLOSED, SETTLED, 10 * USDC, 15 * USDC)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE - FEE // 2 + 15 * USDC


def test_split__reverts_when_ruled(world, arbitrator):
    terms = disputed(world, arbitrator)
    arbitrator.giveRuling(0, 1, sender=world.owner)
    message = {"escrowId": world.id_of(terms), "toProvider": 10 * USDC, "toClient": 15 * USDC, "validUntil": FOREVER}
    signatures = [world.sign_escrow(party, "Split", **message) for party in (world.client, world.provider)]
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.split(terms.tuple(), 10 * USDC, 15 * USDC, FOREVER, *signatures, sender=world.stranger)


def test_refund__when_challenged_is_a_return(world, arbitrator):
    terms = challenged(world, arbitrator)
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    assert ending(world, terms) == (CLOSED, RETURNED, 0, terms.amount)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE + terms.amount
    assert world.reputation.balanceOf(world.client) == terms.amount // 5 // 10


def test_refund__when_disputed_is_a_loss(world, arbitrator):
    terms = disputed(world, arbitrator)
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    assert ending(world, terms) == (CLOSED, LOST, 0, terms.amount)
    assert world.escrow.balanceOf(world.client) == IN_BALANCE + terms.amount
    assert world.reputation.stakeOf(world.provider).staked == 1_000 * USDC - terms.amount // 5
