"""Escrow: every function that takes a signature in place of a call, and every signature that must not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.refusals import CONSENTING, REVERTING, refusal
from tests.contracts.signatures import compact, forged, malformed
from tests.contracts.stages import COMMENT, EVIDENCE, NO_BOND, RESULT, Stages, set_stages
from tests.contracts.world import FOREVER, TYPED, USDC, digest_of

PARTS = (10 * USDC, 15 * USDC)


@dataclass(frozen=True, slots=True)
class Road:
    """A function, who must sign for it what, the status it is good in, and what the second sending meets."""

    function: str
    signer: str
    message: str
    status: str
    spent: str
    fields: dict[str, Any]
    arguments: Callable[[Stages, tuple[Any, ...], int, bytes], tuple[Any, ...]]


def split(signer: str) -> Road:
    """`split`, of which one signature is looked at and the other is right."""

    def arguments(stages: Stages, told: tuple[Any, ...], until: int, signature: bytes) -> tuple[Any, ...]:
        fields = {"toProvider": PARTS[0], "toClient": PARTS[1], "validUntil": until}
        escrow_id = stages.ids["disputed"]
        both = {
            party: stages.world.sign_escrow(stages.party(party), "Split", escrowId=escrow_id, **fields)
            for party in ("client", "provider")
        }
        return (told, *PARTS, until, *(both | {signer: signature}).values())

    fields = {"toProvider": PARTS[0], "toClient": PARTS[1]}
    return Road("split", signer, "Split", "disputed", "Escrow_WrongStatus", fields, arguments)


STATUS, FUNDED_ONCE, STEP = "Escrow_WrongStatus", "Escrow_AlreadyExists", "Escrow_NotIncreasing"
ROADS = {
    "accept": Road(
        *("acceptWithSignature", "provider", "Acceptance", "funded", STATUS, {}),
        lambda _, told, until, signature: (told, (until, signature)),
    ),
    "submit": Road(
        *("submitWithSignature", "provider", "Submission", "accepted", STATUS, {"deliverableHash": RESULT}),
        lambda _, told, until, signature: (told, RESULT, until, signature),
    ),
    "release": Road(
        *("releaseWithSignature", "client", "Release", "submitted", STEP, {"cumulativeReleased": USDC}),
        lambda _, told, until, signature: (told, USDC, until, signature),
    ),
    "quorum": Road(
        *("releaseWithQuorum", "verifier", "Release", "submitted", STEP, {"cumulativeReleased": USDC}),
        lambda stages, told, until, signature: (
            *(told, USDC, until),
            [(1, by_provider(stages, until)), (2, signature)],
        ),
    ),
    "refund": Road(
        *("refundWithSignature", "provider", "Refund", "submitted", STEP, {"cumulativeRefunded": USDC}),
        lambda _, told, until, signature: (told, USDC, until, signature),
    ),
    "cancel": Road(
        *("cancelWithSignature", "client", "Cancellation", "funded", STATUS, {}),
        lambda _, told, until, signature: (told, until, signature),
    ),
    "dispute": Road(
        *("disputeWithSignature", "client", "Dispute", "submitted", STATUS, {"evidenceHash": EVIDENCE}),
        lambda _, told, until, signature: (told, EVIDENCE, until, signature, NO_BOND),
    ),
    "respond": Road(
        *("respondWithSignature", "provider", "Response", "challenged", STATUS, {}),
        lambda _, told, until, signature: (told, until, signature, NO_BOND),
    ),
    "rate": Road(
        *("rateWithSignature", "provider", "Rating", "closed", "Escrow_AlreadyRated"),
        {"score": 70, "commentHash": COMMENT},
        lambda stages, told, until, signature: (told, stages.world.provider, 70, COMMENT, until, signature),
    ),
    "balance": Road(
        *("fundFromBalanceWithSignature", "client", "Fund", "none", FUNDED_ONCE, {}),
        lambda _, told, until, signature: (told, until, signature),
    ),
    "permit": Road(
        *("fundWithPermit", "client", "Fund", "none", FUNDED_ONCE, {}),
        lambda _, told, until, signature: (told, told[4], FOREVER, b"", until, signature),
    ),
    "split by client": split("client"),
    "split by provider": split("provider"),
}
every_road = pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)


def by_provider(stages: Stages, until: int) -> bytes:
    """The provider's part of the quorum."""
    escrow_id = stages.ids["submitted"]
    fields = {"escrowId": escrow_id, "cumulativeReleased": USDC, "validUntil": until}
    return stages.world.sign_escrow(stages.world.provider, "Release", **fields)


@pytest.fixture(scope="module")
def stages(world, project) -> Stages:
    return set_stages(world, project)


def call(stages: Stages, road: Road, until: int, signature: bytes, **asked: Any) -> str:
    """What a relayer would be answered."""
    arguments = road.arguments(stages, stages.terms[road.status].tuple(), until, signature)
    function = getattr(stages.world.escrow, road.function)
    return refusal(stages.world, function, *arguments, sender=stages.world.stranger, **asked)


def message(stages: Stages, road: Road, until: int) -> dict[str, Any]:
    """What is to be signed."""
    return {"escrowId": stages.ids[road.status], **road.fields, "validUntil": until}


def test_escrow_id__is_the_digest_of_the_terms(world):
    terms = world.terms(salt=2**255 + 1)
    names = [field["name"] for field in TYPED["EscrowTerms"]["fields"]]
    message = dict(zip(names, terms.tuple(), strict=True))
    assert world.id_of(terms) == digest_of(world.domain("AICP Escrow", "1", world.escrow), "EscrowTerms", message)


@every_road
def test_escrow_signature__counts_to_its_last_second(stages, road):
    until = stages.world.now() + 100
    signature = stages.world.sign_escrow(stages.party(road.signer), road.message, **message(stages, road, until))
    assert call(stages, road, until, signature, at=until) == ""
    assert call(stages, road, until, signature, at=until + 1) == "Escrow_SignatureExpired"
    assert call(stages, road, until, compact(signature)) == ""


@every_road
def test_escrow_signature__counts_once(stages, road):
    world = stages.world
    signature = world.sign_escrow(stages.party(road.signer), road.message, **message(stages, road, FOREVER))
    arguments = road.arguments(stages, stages.terms[road.status].tuple(), FOREVER, signature)
    getattr(world.escrow, road.function)(*arguments, sender=world.stranger)
    assert call(stages, road, FOREVER, signature) == road.spent


@every_road
def test_escrow_signature__of_another_key_place_or_message_is_refused(stages, road):
    world = stages.world
    signer = stages.party(road.signer)
    others = [other for other in (world.client, world.provider, world.verifier, world.stranger) if other != signer]
    domain = world.domain("AICP Escrow", "1", world.escrow)
    wrong = forged(signer, others, domain, road.message, message(stages, road, FOREVER))
    refused = {what: call(stages, road, FOREVER, signature) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "Escrow_InvalidSignature")


@every_road
def test_escrow_signature__of_an_account_with_code(stages, road):
    signer = stages.party(road.signer)
    own = stages.world.sign_escrow(signer, road.message, **message(stages, road, FOREVER))
    contract, mute = {signer.address: CONSENTING}, {signer.address: REVERTING}
    assert call(stages, road, FOREVER, b"whatever it likes", code=contract) == ""
    # a delegated account has code, and its key still signs
    assert call(stages, road, FOREVER, own, code=mute) == ""
    refused = {call(stages, road, FOREVER, spoilt, code=mute) for spoilt in malformed(own).values()}
    assert refused == {"Escrow_InvalidSignature"}


def test_release_with_quorum__nobody_signs_for_a_verifier_that_is_not_there(stages):
    world = stages.world
    terms = world.submitted(quorum=1)
    fields = {"escrowId": world.id_of(terms), "cumulativeReleased": USDC, "validUntil": FOREVER}
    for signature in (b"", bytes(65), world.sign_escrow(world.stranger, "Release", **fields)):
        call_ = (terms.tuple(), USDC, FOREVER, [(2, signature)])
        answer = refusal(world, world.escrow.releaseWithQuorum, *call_, sender=world.stranger)
        assert answer == "Escrow_InvalidSignature"


def test_release_with_quorum__takes_a_part_and_more_signatures_than_needed(stages):
    world = stages.world
    terms = world.submitted(verifier=world.verifier.address, quorum=1)
    fields = {"escrowId": world.id_of(terms), "cumulativeReleased": USDC, "validUntil": FOREVER}
    signatures = [
        (role, world.sign_escrow(party, "Release", **fields))
        for role, party in enumerate((world.client, world.provider, world.verifier))
    ]
    world.escrow.releaseWithQuorum(terms.tuple(), USDC, FOREVER, signatures, sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(terms)).released == USDC


def test_rate_with_signature__is_bound_as_a_call_is(stages):
    world = stages.world
    never_accepted = world.terms(salt=7)
    world.fund_signed(never_accepted)
    world.escrow.cancel(never_accepted.tuple(), sender=world.client)
    rows = [
        (stages.terms["closed"], world.client, 100, ""),
        (stages.terms["closed"], world.client, 101, "Escrow_ScoreOutOfRange"),
        (stages.terms["closed"], world.verifier, 100, "Escrow_CallerNotParty"),
        (never_accepted, world.client, 100, "Escrow_NotAccepted"),
    ]
    for terms, rater, score, answer in rows:
        fields = {"escrowId": world.id_of(terms), "score": score, "commentHash": COMMENT, "validUntil": FOREVER}
        signature = world.sign_escrow(rater, "Rating", **fields)
        rating = (world.escrow.rateWithSignature, terms.tuple(), rater, score, COMMENT, FOREVER, signature)
        assert refusal(world, *rating, sender=world.stranger) == answer
