"""DisputeArbiter: a dispute is made, its evidence collected, and what may be rescued."""

from __future__ import annotations

from types import SimpleNamespace

import ape
from eth_account import Account

from tests.contracts.court import (
    COMMIT,
    DAY,
    DRAWING,
    EVIDENCE,
    FEE,
    REVEAL,
)

# createDispute -------------------------------------------------------------------------------------------------------


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


# disclose, submitEvidence, advance -----------------------------------------------------------------------------------


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


# rescueToken ---------------------------------------------------------------------------------------------------------


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
