"""One task is never charged twice, whatever is raced against what."""

from __future__ import annotations

import ape

from tests.contracts.world import FOREVER, USDC

FUNDED, ACCEPTED = 1, 2


def test_fund_front_run_without_the_acceptance_still_becomes_one_accepted_escrow(world):
    terms = world.terms()
    acceptance = world.acceptance(terms)
    before = world.usdc.balanceOf(world.client)
    world.fund_signed(terms)
    assert world.status(terms) == FUNDED
    with ape.reverts(world.escrow.Escrow_AlreadyExists):
        world.fund_signed(terms, acceptance)
    world.escrow.acceptWithSignature(terms.tuple(), acceptance, sender=world.stranger)
    assert world.status(terms) == ACCEPTED
    assert world.usdc.balanceOf(world.client) == before - terms.amount


def test_stake_withdrawn_between_acceptance_and_fund_reverts_the_whole(world):
    terms = world.terms(amount=1_000 * USDC, accept_by=world.now() + 900)
    world.reputation.requestUnstake(1_000 * USDC, sender=world.provider)
    world.pass_to(world.reputation.stakeOf(world.provider).unbondAt)
    terms = world.terms(amount=1_000 * USDC)
    acceptance = world.acceptance(terms)
    world.reputation.completeUnstake(world.provider, sender=world.stranger)
    before = world.usdc.balanceOf(world.client)
    with ape.reverts(world.reputation.Stake_Insufficient):
        world.fund_signed(terms, acceptance)
    assert world.usdc.balanceOf(world.client) == before
    assert world.status(terms) == 0
    assert not world.usdc.authorizationState(world.client, world.id_of(terms))


def test_bad_acceptance_reverts_the_whole(world):
    terms = world.terms()
    before = world.usdc.balanceOf(world.client)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.fund_signed(terms, (FOREVER, b"\x01" * 65))
    assert world.usdc.balanceOf(world.client) == before


def test_one_authorization_never_funds_two_escrows(world):
    one, two = world.terms(salt=1), world.terms(salt=2)
    signature = world.authorization(world.client, world.escrow, one.amount, world.id_of(one))
    with ape.reverts(world.usdc.InvalidSignature):
        world.escrow.fundWithAuthorization(two.tuple(), FOREVER, signature, (0, b""), sender=world.stranger)
    world.fund_signed(one)
    with ape.reverts(world.escrow.Escrow_AlreadyExists):
        world.fund_signed(one)
    world.escrow.cancel(one.tuple(), sender=world.client)
    with ape.reverts(world.escrow.Escrow_AlreadyExists):
        world.fund_signed(one)


def test_cancelled_authorization_funds_nothing(world):
    terms = world.terms()
    nonce = world.id_of(terms)
    cancel = world.sign_token(world.client, "CancelAuthorization", authorizer=world.client.address, nonce=nonce)
    world.usdc.cancelAuthorization(world.client, nonce, cancel, sender=world.stranger)
    with ape.reverts(world.usdc.AuthorizationUsedOrCanceled):
        world.fund_signed(terms)


def test_expired_authorization_funds_nothing(world):
    terms = world.terms()
    deadline = world.now() + 60
    signature = world.authorization(world.client, world.escrow, terms.amount, world.id_of(terms), deadline)
    world.pass_to(deadline)
    with ape.reverts(world.usdc.AuthorizationExpired):
        world.escrow.fundWithAuthorization(terms.tuple(), deadline, signature, (0, b""), sender=world.stranger)
