"""Escrow: who may take which step, in which status, at which second, and what the step leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.refusals import REVERTING, refusal
from tests.contracts.stages import COMMENT, EVIDENCE, NO_BOND, RESULT, STATUSES, Stages, set_stages
from tests.contracts.world import FOREVER, USDC

SUBMITTED, CLOSED = 3, 7
COMPLETED, RETURNED, MISSED = 1, 3, 4
BEFORE_RULING = {"funded", "accepted", "submitted", "challenged", "disputed"}
# who, and the statuses it is for
STEPS: dict[str, tuple[str, set[str]]] = {
    "accept": ("provider", {"funded"}),
    "acceptWithSignature": ("stranger", {"funded"}),
    "submit": ("provider", {"accepted"}),
    "submitWithSignature": ("stranger", {"accepted"}),
    "release": ("client", {"accepted", "submitted"}),
    "releaseWithSignature": ("stranger", {"accepted", "submitted"}),
    "releaseWithQuorum": ("stranger", {"accepted", "submitted"}),
    "releaseAndPay": ("client", {"accepted", "submitted"}),
    "releaseAfterChallenge": ("stranger", {"submitted"}),
    "refund": ("provider", BEFORE_RULING),
    "refundWithSignature": ("stranger", BEFORE_RULING),
    "refundAndPay": ("provider", BEFORE_RULING),
    "cancel": ("client", {"funded"}),
    "cancelWithSignature": ("stranger", {"funded"}),
    "reclaim": ("stranger", {"accepted"}),
    "dispute": ("client", {"submitted"}),
    "disputeWithSignature": ("stranger", {"submitted"}),
    "respond": ("provider", {"challenged"}),
    "respondWithSignature": ("stranger", {"challenged"}),
    "claimDefault": ("stranger", {"challenged"}),
    "execute": ("stranger", {"disputed", "ruled"}),
    "resolveStalled": ("stranger", {"disputed"}),
    "split": ("stranger", BEFORE_RULING),
    "rate": ("client", {"closed"}),
    "rateWithSignature": ("stranger", {"closed"}),
}


@pytest.fixture(scope="module")
def stages(world, project) -> Stages:
    return set_stages(world, project)


def arguments(stages: Stages, step: str, status: str) -> tuple[Any, ...]:
    """A good call of the step, for all of the price."""
    world, terms = stages.world, stages.terms[status]
    told, amount, escrow_id = terms.tuple(), terms.amount, stages.ids[status]

    def signed(signer: Any, name: str, **fields: Any) -> bytes:
        return world.sign_escrow(signer, name, escrowId=escrow_id, **fields, validUntil=FOREVER)

    client, provider = world.client, world.provider
    parts = {"toProvider": amount, "toClient": 0}

    def release(signer: Any) -> bytes:
        return signed(signer, "Release", cumulativeReleased=amount)

    def rest() -> tuple[Any, ...]:
        match step:
            case "release" | "releaseAndPay" | "refund" | "refundAndPay":
                return (amount,)
            case "submit":
                return (RESULT,)
            case "dispute":
                return (EVIDENCE,)
            case "rate":
                return (90, COMMENT)
            case "acceptWithSignature":
                return ((FOREVER, signed(provider, "Acceptance")),)
            case "submitWithSignature":
                return (RESULT, FOREVER, signed(provider, "Submission", deliverableHash=RESULT))
            case "releaseWithSignature":
                return (amount, FOREVER, release(client))
            case "releaseWithQuorum":
                return (amount, FOREVER, [(0, release(client)), (1, release(provider))])
            case "refundWithSignature":
                return (amount, FOREVER, signed(provider, "Refund", cumulativeRefunded=amount))
            case "cancelWithSignature":
                return (FOREVER, signed(client, "Cancellation"))
            case "disputeWithSignature":
                return (EVIDENCE, FOREVER, signed(client, "Dispute", evidenceHash=EVIDENCE), NO_BOND)
            case "respondWithSignature":
                return (FOREVER, signed(provider, "Response"), NO_BOND)
            case "split":
                both = (signed(party, "Split", **parts) for party in (client, provider))
                return (amount, 0, FOREVER, *both)
            case "rateWithSignature":
                return (client, 90, COMMENT, FOREVER, signed(client, "Rating", score=90, commentHash=COMMENT))
            case _:
                return ()

    return (told, *rest())


def ask(stages: Stages, step: str, status: str, sender: Any = None, **asked: Any) -> str:
    """What the step meets in the status."""
    sender = sender or stages.party(STEPS[step][0])
    function = getattr(stages.world.escrow, step)
    return refusal(stages.world, function, *arguments(stages, step, status), sender=sender, **asked)


@pytest.mark.parametrize("step", STEPS)
def test_escrow_step__is_refused_in_every_other_status(stages, step):
    allowed = STEPS[step][1]
    refused = {status for status in STATUSES if ask(stages, step, status) == "Escrow_WrongStatus"}
    assert refused == set(STATUSES) - allowed


def test_settle_stake__is_refused_while_nothing_is_owed(stages):
    never_accepted = stages.world.terms(salt=7)
    stages.world.fund_signed(never_accepted)
    stages.world.escrow.cancel(never_accepted.tuple(), sender=stages.world.client)
    escrows = [terms.tuple() for terms in (*stages.terms.values(), never_accepted)]
    settle = stages.world.escrow.settleStake
    assert {refusal(stages.world, settle, terms, sender=stages.world.stranger) for terms in escrows} == {
        "Escrow_StakeNotPending"
    }


CALLERS = {
    "accept": ("funded", "Escrow_CallerNotProvider"),
    "submit": ("accepted", "Escrow_CallerNotProvider"),
    "release": ("submitted", "Escrow_CallerNotClient"),
    "releaseAndPay": ("submitted", "Escrow_CallerNotClient"),
    "refund": ("submitted", "Escrow_CallerNotProvider"),
    "refundAndPay": ("submitted", "Escrow_CallerNotProvider"),
    "cancel": ("funded", "Escrow_CallerNotClient"),
    "dispute": ("submitted", "Escrow_CallerNotClient"),
    "respond": ("challenged", "Escrow_CallerNotProvider"),
    "rate": ("closed", "Escrow_CallerNotParty"),
}


@pytest.mark.parametrize("step", CALLERS)
def test_escrow_step__is_refused_to_other_callers(stages, step):
    world, (status, error) = stages.world, CALLERS[step]
    parties = {world.client, world.provider} if step == "rate" else {stages.party(STEPS[step][0])}
    everybody = {world.client, world.provider, world.verifier, world.owner, world.guardian, world.treasury}
    for account in everybody | {world.stranger}:
        assert ask(stages, step, status, account) == ("" if account in parties else error)


# step, status, what decides, the answer a second before, the answer at that second
SECONDS = [
    ("accept", "funded", "accept_by", "", "Escrow_DeadlinePassed"),
    ("acceptWithSignature", "funded", "accept_by", "", "Escrow_DeadlinePassed"),
    ("submit", "accepted", "deliver_by", "", "Escrow_DeadlinePassed"),
    ("submitWithSignature", "accepted", "deliver_by", "", "Escrow_DeadlinePassed"),
    ("reclaim", "accepted", "deliver_by", "Escrow_DeadlineNotReached", ""),
    ("releaseAfterChallenge", "submitted", "clock", "Escrow_ChallengeActive", ""),
    ("dispute", "submitted", "clock", "", "Escrow_ChallengeOver"),
    ("disputeWithSignature", "submitted", "clock", "", "Escrow_ChallengeOver"),
    ("respond", "challenged", "clock", "", "Escrow_ChallengeOver"),
    ("respondWithSignature", "challenged", "clock", "", "Escrow_ChallengeOver"),
    ("claimDefault", "challenged", "clock", "Escrow_ChallengeActive", ""),
    ("resolveStalled", "disputed", "clock", "Escrow_DeadlineNotReached", ""),
]


@pytest.mark.parametrize("row", SECONDS, ids=[row[0] for row in SECONDS])
def test_escrow_step__turns_at_its_very_second(stages, row):
    step, status, what, before, at = row
    second = stages.clock(status) if what == "clock" else getattr(stages.terms[status], what)
    assert (ask(stages, step, status, at=second - 1), ask(stages, step, status, at=second)) == (before, at)


def test_cancel__belongs_to_anyone_from_the_very_second(stages):
    world, terms = stages.world, stages.terms["funded"]
    for sender, before in ((world.stranger, "Escrow_CallerNotClient"), (world.client, "")):
        assert ask(stages, "cancel", "funded", sender, at=terms.accept_by - 1) == before
        assert ask(stages, "cancel", "funded", sender, at=terms.accept_by) == ""


ENDS = {
    "release": "submitted",
    "releaseWithSignature": "submitted",
    "releaseWithQuorum": "accepted",
    "releaseAndPay": "submitted",
    "releaseAfterChallenge": "submitted",
    "refund": "challenged",
    "refundWithSignature": "disputed",
    "refundAndPay": "accepted",
    "reclaim": "accepted",
    "claimDefault": "challenged",
    "execute": "ruled",
    "resolveStalled": "disputed",
    "split": "submitted",
}


@pytest.mark.parametrize("step", ENDS)
def test_escrow_end__never_needs_reputation(stages, step):
    code = {stages.world.reputation.address: REVERTING}
    late = stages.world.now() + 40 * 86400
    assert ask(stages, step, ENDS[step], at=late, code=code) == ""


def test_pause__changes_no_answer_to_any_step(stages):
    late = stages.world.now() + 40 * 86400

    def answers() -> list[str]:
        first = {step: min(statuses, key=STATUSES.index) for step, (_, statuses) in STEPS.items()}
        return [ask(stages, step, status, at=at) for step, status in first.items() for at in (None, late)]

    before = answers()
    stages.world.escrow.pauseInflows(sender=stages.world.guardian)
    assert answers() == before


def test_escrow_start__needs_reputation(stages):
    code = {stages.world.reputation.address: REVERTING}
    assert ask(stages, "accept", "funded", code=code) == "nothing said"


def test_accept__locks_a_fifth_and_tells(stages):
    world, terms = stages.world, stages.terms["funded"]
    before = world.reputation.stakeOf(world.provider).locked
    receipt = world.escrow.accept(terms.tuple(), sender=world.provider)
    (accepted,) = world.escrow.EscrowAccepted.from_receipt(receipt)
    assert (bytes(accepted.id), accepted.stake) == (world.id_of(terms), terms.amount // 5)
    assert world.reputation.stakeOf(world.provider).locked == before + terms.amount // 5
    # once accepted, and its stake is to be settled
    assert world.escrow.stateOf(world.id_of(terms)).flags == 8 | 4


@pytest.mark.parametrize("step", ["accept", "acceptWithSignature"])
def test_accept__reverts_when_the_stake_is_short(stages, step):
    world = stages.world
    terms = world.terms(amount=5_000 * USDC, salt=8)
    world.escrow.fund(terms.tuple(), sender=world.client)
    short = Stages(world, stages.arbitrator, {"funded": terms}, {"funded": world.id_of(terms)})
    assert ask(short, step, "funded") == "Stake_Insufficient"


def test_submit__starts_the_clock_and_tells(stages):
    world, terms = stages.world, stages.terms["accepted"]
    receipt = world.escrow.submit(terms.tuple(), RESULT, sender=world.provider)
    (submitted,) = world.escrow.WorkSubmitted.from_receipt(receipt)
    ends_at = world.chain.blocks.head.timestamp + terms.challenge_period
    assert (bytes(submitted.deliverableHash), submitted.challengeEndsAt) == (RESULT, ends_at)
    state = world.escrow.stateOf(world.id_of(terms))
    assert (state.status, state.clock) == (SUBMITTED, ends_at)


@pytest.mark.parametrize("step", ["release", "releaseWithSignature", "releaseAndPay", "releaseWithQuorum"])
def test_release__moves_forward_and_never_into_what_was_refunded(stages, step):
    world, terms = stages.world, stages.terms["submitted"]
    world.escrow.refund(terms.tuple(), USDC, sender=world.provider)
    world.escrow.release(terms.tuple(), 2 * USDC, sender=world.client)
    expected = {
        0: "Escrow_NotIncreasing",
        2 * USDC: "Escrow_NotIncreasing",
        2 * USDC + 1: "",
        terms.amount - USDC: "",
        terms.amount - USDC + 1: "Escrow_ReleaseExceedsAmount",
    }
    assert {total: step_to(stages, step, total, "Release", "cumulativeReleased") for total in expected} == expected


@pytest.mark.parametrize("step", ["refund", "refundWithSignature", "refundAndPay"])
def test_refund__moves_forward_and_never_into_what_was_released(stages, step):
    world, terms = stages.world, stages.terms["submitted"]
    world.escrow.release(terms.tuple(), USDC, sender=world.client)
    world.escrow.refund(terms.tuple(), 2 * USDC, sender=world.provider)
    expected = {
        0: "Escrow_NotIncreasing",
        2 * USDC: "Escrow_NotIncreasing",
        2 * USDC + 1: "",
        terms.amount - USDC: "",
        terms.amount - USDC + 1: "Escrow_ReleaseExceedsAmount",
    }
    assert {total: step_to(stages, step, total, "Refund", "cumulativeRefunded") for total in expected} == expected


def step_to(stages: Stages, step: str, total: int, name: str, field: str) -> str:
    """What the step to another total meets."""
    world, terms = stages.world, stages.terms["submitted"]
    signers = (world.provider,) if name == "Refund" else (world.client, world.provider)
    message = {"escrowId": world.id_of(terms), field: total, "validUntil": FOREVER}
    signatures = [world.sign_escrow(signer, name, **message) for signer in signers]
    tail: tuple[Any, ...] = ()
    if step.endswith("WithSignature"):
        tail = (FOREVER, signatures[0])
    if step.endswith("WithQuorum"):
        tail = (FOREVER, list(enumerate(signatures)))
    call = (getattr(world.escrow, step), terms.tuple(), total, *tail)
    return refusal(world, *call, sender=stages.party(STEPS[step][0]))


def test_release__tells_amount_and_fee_and_closes_with_the_last_unit(stages):
    world, terms = stages.world, stages.terms["submitted"]
    receipt = world.escrow.release(terms.tuple(), terms.amount - 1, sender=world.client)
    fee = (terms.amount - 1) * 250 // 10_000
    (released,) = world.escrow.EscrowReleased.from_receipt(receipt)
    assert (released.amount, released.fee) == (terms.amount - 1, fee)
    assert not list(world.escrow.EscrowClosed.from_receipt(receipt))
    receipt = world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    (released,) = world.escrow.EscrowReleased.from_receipt(receipt)
    assert (released.amount, released.fee) == (1, terms.amount * 250 // 10_000 - fee)
    assert len(list(world.escrow.EscrowClosed.from_receipt(receipt))) == 1


def test_release_after_challenge__pays_what_is_left(stages):
    world, terms = stages.world, stages.terms["submitted"]
    world.escrow.release(terms.tuple(), 10 * USDC, sender=world.client)
    world.escrow.refund(terms.tuple(), 5 * USDC, sender=world.provider)
    world.pass_to(stages.clock("submitted"))
    receipt = world.escrow.releaseAfterChallenge(terms.tuple(), sender=world.stranger)
    (released,) = world.escrow.EscrowReleased.from_receipt(receipt)
    assert released.amount == terms.amount - 15 * USDC
    state = world.escrow.stateOf(world.id_of(terms))
    assert (state.status, state.ruling) == (CLOSED, COMPLETED)
    assert (state.released, state.refunded) == (terms.amount - 5 * USDC, 5 * USDC)


def test_reclaim__returns_what_is_left_and_tells(stages):
    world, terms = stages.world, stages.terms["accepted"]
    world.escrow.release(terms.tuple(), 10 * USDC, sender=world.client)
    before = world.escrow.balanceOf(world.client)
    world.pass_to(terms.deliver_by)
    receipt = world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    (refunded,) = world.escrow.EscrowRefunded.from_receipt(receipt)
    assert refunded.amount == 15 * USDC == world.escrow.balanceOf(world.client) - before
    assert len(list(world.escrow.EscrowClosed.from_receipt(receipt))) == 1
    assert world.escrow.stateOf(world.id_of(terms)).ruling == MISSED


@pytest.mark.parametrize(("early", "outcome"), [(1, RETURNED), (0, MISSED)])
def test_refund__with_nothing_submitted_is_a_return_before_the_deadline_only(stages, early, outcome):
    world, terms = stages.world, stages.terms["accepted"]
    world.chain.pending_timestamp = terms.deliver_by - early
    world.escrow.refund(terms.tuple(), terms.amount, sender=world.provider)
    assert world.chain.blocks.head.timestamp == terms.deliver_by - early
    assert world.escrow.stateOf(stages.ids["accepted"]).ruling == outcome


def test_refund_and_pay__falls_back_to_the_balance(stages):
    world, terms = stages.world, stages.terms["submitted"]
    world.usdc.blacklist(world.client, sender=world.owner)
    before = world.escrow.balanceOf(world.client)
    receipt = world.escrow.refundAndPay(terms.tuple(), terms.amount, sender=world.provider)
    assert world.escrow.balanceOf(world.client) == before + terms.amount
    assert not list(world.escrow.Withdrawn.from_receipt(receipt))


def test_settle_stake__slashes_what_was_owed_once_reputation_answers(stages):
    world, terms = stages.world, stages.terms["accepted"]
    provider = world.chain.provider
    code = provider.get_code(world.reputation.address)
    staked = world.reputation.stakeOf(world.provider).staked
    world.pass_to(terms.deliver_by)
    provider.make_request("anvil_setCode", [world.reputation.address, REVERTING])
    receipt = world.escrow.reclaim(terms.tuple(), sender=world.stranger)
    assert len(list(world.escrow.StakeSettlementFailed.from_receipt(receipt))) == 1
    settle = (world.escrow.settleStake, terms.tuple())
    assert refusal(world, *settle, sender=world.stranger) == "FailedCall"
    provider.make_request("anvil_setCode", [world.reputation.address, "0x" + bytes(code).hex()])
    world.escrow.settleStake(terms.tuple(), sender=world.stranger)
    assert staked - world.reputation.stakeOf(world.provider).staked == terms.amount // 5 // 2
    assert world.reputation.balanceOf(world.client) == terms.amount // 5 // 2
    assert refusal(world, *settle, sender=world.stranger) == "Escrow_StakeNotPending"
