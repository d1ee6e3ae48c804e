"""Escrow: what each refusal says, quorums, reports to Reputation that fail, ratings, deployment."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.contracts.world import FOREVER, USDC, ZERO, Terms, World

FUNDED, SUBMITTED, CLOSED = 1, 3, 7
CANCELLED = 9
RESULT = b"\x22" * 32
DAY = 86400
RESERVE = 200_000 + 200_000 // 63 + 20_000


def fund(world: World, **changes: Any) -> None:
    world.escrow.fund(world.terms(**changes).tuple(), sender=world.client)


# Refusals -----------------------------------------------------------------------------------------------------------


def every_step(world: World, terms: Terms) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Function, arguments after the terms, caller: everything that an escrow that does not exist refuses."""
    return [
        ("accept", (), world.provider),
        ("submit", (RESULT,), world.provider),
        ("release", (1,), world.client),
        ("releaseAndPay", (1,), world.client),
        ("releaseAfterChallenge", (), world.stranger),
        ("refund", (1,), world.provider),
        ("refundAndPay", (1,), world.provider),
        ("cancel", (), world.client),
        ("reclaim", (), world.stranger),
        ("dispute", (RESULT,), world.client),
        ("respond", (), world.provider),
        ("claimDefault", (), world.stranger),
        ("execute", (), world.stranger),
        ("resolveStalled", (), world.stranger),
        ("rate", (1, RESULT), world.client),
    ]


def test_an_escrow_that_was_never_funded_does_nothing(world):
    terms = world.terms()
    for name, arguments, caller in every_step(world, terms):
        with ape.reverts(world.escrow.Escrow_WrongStatus, id=world.id_of(terms), actual=0):
            getattr(world.escrow, name)(terms.tuple(), *arguments, sender=caller)


def test_an_escrow_that_is_closed_can_only_be_rated(world):
    terms = world.submitted()
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    for name, arguments, caller in every_step(world, terms)[:-1]:
        with ape.reverts(world.escrow.Escrow_WrongStatus, id=world.id_of(terms), actual=CLOSED):
            getattr(world.escrow, name)(terms.tuple(), *arguments, sender=caller)
    with ape.reverts(world.escrow.Escrow_AlreadyExists, id=world.id_of(terms)):
        world.escrow.fund(terms.tuple(), sender=world.client)


def test_a_funded_escrow_waits_for_its_acceptance(world):
    terms = world.terms()
    world.fund_signed(terms)
    for name, arguments, caller in every_step(world, terms):
        if name not in {"accept", "cancel", "refund", "refundAndPay"}:
            with ape.reverts(world.escrow.Escrow_WrongStatus, actual=FUNDED):
                getattr(world.escrow, name)(terms.tuple(), *arguments, sender=caller)


def test_parties__are_who_the_terms_say(world):
    terms = world.submitted()
    escrow_id = world.id_of(terms)
    for name, arguments, caller in every_step(world, terms):
        if caller is world.client:
            error = world.escrow.Escrow_CallerNotClient
        elif caller is world.provider:
            error = world.escrow.Escrow_CallerNotProvider
        else:
            continue
        if name not in {"cancel", "rate"}:
            with ape.reverts(error, id=escrow_id, caller=world.verifier.address):
                getattr(world.escrow, name)(terms.tuple(), *arguments, sender=world.verifier)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("client", "provider"),
        ("client", "verifier"),
        ("client", "arbiter"),
        ("provider", "verifier"),
        ("provider", "arbiter"),
    ],
)
def test_fund__reverts_when_an_account_has_two_parts(world, one, other):
    terms = world.terms()
    party = getattr(terms, one)
    with ape.reverts(world.escrow.Escrow_SelfDeal, party=party):
        fund(world, **{other: party})


def test_fund__lets_the_verifier_arbitrate(world):
    fund(world, verifier=world.verifier.address, arbiter=world.verifier.address, quorum=3)


def test_fund__reverts_when_the_quorum_cannot_be_reached(world):
    fund(world, quorum=2, salt=1)
    with ape.reverts(world.escrow.Escrow_QuorumOutOfRange, quorum=3, max=2):
        fund(world, quorum=3, salt=2)
    with ape.reverts(world.escrow.Escrow_QuorumOutOfRange, quorum=4, max=3):
        fund(world, quorum=4, verifier=world.verifier.address, salt=3)


def test_split__reverts_unless_the_parts_are_what_is_left(world):
    terms = world.submitted()
    for to_provider, to_client in ((10 * USDC, 15 * USDC + 1), (10 * USDC, 15 * USDC - 1), (2**96 - 1, 25 * USDC + 1)):
        with ape.reverts(
            world.escrow.Escrow_SplitMismatch,
            id=world.id_of(terms),
            requested=to_provider + to_client,
            available=terms.amount,
        ):
            world.escrow.split(terms.tuple(), to_provider, to_client, FOREVER, b"", b"", sender=world.stranger)


@pytest.mark.parametrize(("to_provider", "to_client"), [(25 * USDC, 0), (0, 25 * USDC), (1, 25 * USDC - 1)])
def test_split__tells_what_it_pays(world, to_provider, to_client):
    terms = world.submitted()
    message = {"escrowId": world.id_of(terms), "toProvider": to_provider, "toClient": to_client, "validUntil": FOREVER}
    signatures = [world.sign_escrow(party, "Split", **message) for party in (world.client, world.provider)]
    receipt = world.escrow.split(terms.tuple(), to_provider, to_client, FOREVER, *signatures, sender=world.stranger)
    (split,) = world.escrow.EscrowSplit.from_receipt(receipt)
    assert (bytes(split.id), split.toProvider, split.toClient) == (world.id_of(terms), to_provider, to_client)
    assert len(list(world.escrow.EscrowReleased.from_receipt(receipt))) == (to_provider > 0)
    assert len(list(world.escrow.EscrowRefunded.from_receipt(receipt))) == (to_client > 0)
    assert world.escrow.balanceOf(world.provider) == to_provider - to_provider // 40
    assert world.escrow.balanceOf(world.client) == to_client


# Quorum -------------------------------------------------------------------------------------------------------------


def roles(world: World, terms: Terms, *wanted: int) -> list[tuple[int, bytes]]:
    """Signatures of a whole release by roles, in the given order."""
    message = {"escrowId": world.id_of(terms), "cumulativeReleased": terms.amount, "validUntil": FOREVER}
    accounts = (world.client, world.provider, world.verifier)
    return [(role, world.sign_escrow(accounts[role], "Release", **message)) for role in wanted]


@pytest.mark.parametrize(
    ("quorum", "signers"), [(1, (0,)), (1, (2,)), (2, (0, 1)), (2, (0, 2)), (2, (1, 2)), (2, (0, 1, 2)), (3, (0, 1, 2))]
)
def test_quorum__is_met_by_enough_roles(world, quorum, signers):
    terms = world.submitted(verifier=world.verifier.address, quorum=quorum)
    signatures = roles(world, terms, *signers)
    world.escrow.releaseWithQuorum(terms.tuple(), terms.amount, FOREVER, signatures, sender=world.stranger)
    assert world.status(terms) == CLOSED


@pytest.mark.parametrize(("quorum", "signers"), [(0, (0, 1, 2)), (1, (1,)), (1, ()), (2, (0,)), (2, (2,)), (3, (1, 2))])
def test_quorum__is_not_met_by_too_few_or_the_provider_alone(world, quorum, signers):
    terms = world.submitted(verifier=world.verifier.address, quorum=quorum)
    signatures = roles(world, terms, *signers)
    error = world.escrow.Escrow_QuorumNotMet
    with ape.reverts(error, id=world.id_of(terms), have=len(signers), need=quorum):
        world.escrow.releaseWithQuorum(terms.tuple(), terms.amount, FOREVER, signatures, sender=world.stranger)


@pytest.mark.parametrize("signers", [(0, 0), (1, 0), (2, 2), (2, 1), (0, 2, 1)])
def test_quorum__counts_nobody_twice(world, signers):
    terms = world.submitted(verifier=world.verifier.address, quorum=2)
    signatures = roles(world, terms, *signers)
    accounts = (world.client, world.provider, world.verifier)
    with ape.reverts(world.escrow.Escrow_DuplicateSigner, signer=accounts[signers[-1]].address):
        world.escrow.releaseWithQuorum(terms.tuple(), terms.amount, FOREVER, signatures, sender=world.stranger)


def test_quorum__needs_every_signature_to_be_one(world):
    terms = world.submitted(verifier=world.verifier.address, quorum=2)
    (client,) = roles(world, terms, 0)
    for role in (1, 2):
        with ape.reverts(world.escrow.Escrow_InvalidSignature):
            world.escrow.releaseWithQuorum(
                terms.tuple(), terms.amount, FOREVER, [client, (role, client[1])], sender=world.stranger
            )
    missing = world.submitted(quorum=2, salt=2)
    with ape.reverts(world.escrow.Escrow_InvalidSignature, expected=ZERO):
        world.escrow.releaseWithQuorum(
            missing.tuple(), missing.amount, FOREVER, roles(world, missing, 0, 2), sender=world.stranger
        )


# Reports to Reputation ----------------------------------------------------------------------------------------------


def test_report__reverts_when_the_caller_brings_too_little_gas(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_InsufficientGas, need=RESERVE):
        world.escrow.release(terms.tuple(), terms.amount, sender=world.client, gas=RESERVE + 21_000)
    assert world.status(terms) == SUBMITTED


def test_release_batch__pays_every_provider_his_own(world):
    for account in (world.verifier,):
        world.usdc.faucet(account, 100 * USDC, sender=account)
        world.usdc.approve(world.reputation, 100 * USDC, sender=account)
        world.reputation.stake(100 * USDC, sender=account)
    rows = []
    for salt, (provider, amount) in enumerate(
        ((world.provider, 40), (world.verifier, 80 * USDC), (world.verifier, 120), (world.provider, 160 * USDC))
    ):
        terms = world.terms(provider=provider.address, amount=amount, salt=salt)
        world.escrow.fund(terms.tuple(), sender=world.client)
        world.escrow.accept(terms.tuple(), sender=provider)
        rows.append(terms)
    receipt = world.escrow.releaseBatch([terms.tuple() for terms in rows], sender=world.client)
    assert [world.status(terms) for terms in rows] == [CLOSED] * 4
    assert world.escrow.balanceOf(world.provider) == 39 + 156 * USDC
    assert world.escrow.balanceOf(world.verifier) == 78 * USDC + 117
    assert world.escrow.balanceOf(world.treasury) == 1 + 3 + 6 * USDC
    released = [
        (bytes(event.id), event.amount, event.fee) for event in world.escrow.EscrowReleased.from_receipt(receipt)
    ]
    assert released == [(world.id_of(terms), terms.amount, terms.amount // 40) for terms in rows]
    assert [bytes(event.id) for event in world.escrow.EscrowClosed.from_receipt(receipt)] == [
        world.id_of(terms) for terms in rows
    ]
    for agent in (world.provider, world.verifier):
        assert world.reputation.stakeOf(agent).locked == 0
        assert world.reputation.recordOf(agent).completed == 2


def test_release_batch__a_failed_report_is_owed(world):
    terms = [world.submitted(salt=salt) for salt in (1, 2)]
    code = bytes(world.chain.provider.get_code(world.reputation.address))
    world.chain.provider.set_code(world.reputation.address, bytes.fromhex("5f5ffd"))
    receipt = world.escrow.releaseBatch([row.tuple() for row in terms], sender=world.client)
    failed = [bytes(event.id) for event in world.escrow.StakeSettlementFailed.from_receipt(receipt)]
    assert failed == [world.id_of(row) for row in terms]
    with ape.reverts():
        world.escrow.settleStake(terms[0].tuple(), sender=world.stranger)
    world.chain.provider.set_code(world.reputation.address, code)
    for row in terms:
        world.escrow.settleStake(row.tuple(), sender=world.stranger)
        with ape.reverts(world.escrow.Escrow_StakeNotPending, id=world.id_of(row)):
            world.escrow.settleStake(row.tuple(), sender=world.stranger)
    assert world.reputation.recordOf(world.provider).completed == 2


def test_settle_stake__reverts_while_the_escrow_is_open(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_StakeNotPending, id=world.id_of(terms)):
        world.escrow.settleStake(terms.tuple(), sender=world.stranger)


# Ratings ------------------------------------------------------------------------------------------------------------


def test_rate__takes_both_ends_of_the_scale_from_either_side(world):
    terms = world.submitted()
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    for rater, ratee, score in ((world.provider, world.client, 100), (world.client, world.provider, 0)):
        receipt = world.escrow.rate(terms.tuple(), score, RESULT, sender=rater)
        (rated,) = world.escrow.Rated.from_receipt(receipt)
        assert (bytes(rated.id), rated.rater, rated.ratee) == (world.id_of(terms), rater.address, ratee.address)
        assert (rated.score, bytes(rated.commentHash), rated.settledValue) == (score, RESULT, terms.amount)
        with ape.reverts(world.escrow.Escrow_AlreadyRated, id=world.id_of(terms), by=rater.address):
            world.escrow.rate(terms.tuple(), score, RESULT, sender=rater)


def test_rate__refusals_say_why(world):
    terms = world.submitted()
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    with ape.reverts(world.escrow.Escrow_CallerNotParty, id=world.id_of(terms), caller=world.stranger.address):
        world.escrow.rate(terms.tuple(), 1, RESULT, sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_ScoreOutOfRange, score=101):
        world.escrow.rate(terms.tuple(), 101, RESULT, sender=world.provider)
    unaccepted = world.terms(salt=2)
    world.fund_signed(unaccepted)
    world.escrow.cancel(unaccepted.tuple(), sender=world.client)
    with ape.reverts(world.escrow.Escrow_NotAccepted, id=world.id_of(unaccepted)):
        world.escrow.rate(unaccepted.tuple(), 1, RESULT, sender=world.client)
    assert world.escrow.stateOf(world.id_of(unaccepted)).ruling == CANCELLED


# Deployment ---------------------------------------------------------------------------------------------------------


def config(world: World, **changes: Any) -> tuple[Any, ...]:
    values = {"token": world.usdc, "admin": world.owner, "guardian": world.guardian, "feeRecipient": world.treasury}
    bounds = {"feeBps": 250, "maxFeeBps": 500, "minChallengePeriod": 60, "maxChallengePeriod": 14 * DAY}
    windows = {"acceptWindow": 7 * DAY, "deliverWindow": 180 * DAY, "timeout": 180 * DAY, "unbonding": 14 * DAY}
    return tuple((values | bounds | windows | changes).values())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"feeBps": 501}, "Escrow_FeeAboveCap"),
        ({"feeRecipient": ZERO}, "Escrow_ZeroAddress"),
        ({"guardian": ZERO}, "Guarded_ZeroAddress"),
        ({"admin": ZERO}, "OwnableInvalidOwner"),
    ],
)
def test_deployment__reverts_on_an_unsound_configuration(world, project, changes, error):
    extension = world.owner.deploy(project.EscrowExtension, config(world, **changes))
    with ape.reverts(getattr(world.escrow, error)):
        world.owner.deploy(project.Escrow, config(world, **changes), extension)


def test_deployment__needs_an_extension_of_the_same_configuration(world, project):
    extension = world.owner.deploy(project.EscrowExtension, config(world, feeBps=500))
    escrow = world.owner.deploy(project.Escrow, config(world, feeBps=500), extension)
    assert project.EscrowExtension.at(escrow.address).feeBps() == 500
    for other in (extension.address, world.stranger.address):
        with ape.reverts(world.escrow.Escrow_WrongExtension, extension=other):
            world.owner.deploy(project.Escrow, config(world), other)
    with ape.reverts(world.escrow.Ledger_ZeroAddress):
        world.owner.deploy(project.EscrowExtension, config(world, token=ZERO))


def test_deployment__says_what_it_fixes(world):
    escrow = world.escrow
    assert (escrow.token(), escrow.guardian(), escrow.owner()) == (world.usdc, world.guardian, world.owner)
    assert (escrow.feeBps(), escrow.maxFeeBps(), escrow.feeRecipient()) == (250, 500, world.treasury)
    assert (escrow.minChallengePeriod(), escrow.maxChallengePeriod()) == (60, 14 * DAY)
    assert (escrow.maxAcceptWindow(), escrow.maxDeliverWindow()) == (7 * DAY, 180 * DAY)
    assert escrow.maxDisputeTimeout() == 180 * DAY
