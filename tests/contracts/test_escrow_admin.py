"""Escrow: what the admin may change, for whom it counts, and how the office goes on."""

from __future__ import annotations

import pytest

from tests.contracts.refusals import refusal
from tests.contracts.world import USDC, ZERO

NOT_OWNER = "OwnableUnauthorizedAccount"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("setFee", (1,)),
        ("setFeeRecipient", ("stranger",)),
        ("transferOwnership", ("stranger",)),
        ("renounceOwnership", ()),
        ("acceptOwnership", ()),
    ],
)
def test_escrow_admin__nobody_else(world, function, arguments):
    values = [world.stranger if value == "stranger" else value for value in arguments]
    for account in (world.guardian, world.treasury, world.client, world.stranger):
        assert refusal(world, getattr(world.escrow, function), *values, sender=account) == NOT_OWNER


def test_set_fee__up_to_the_cap_and_tells(world):
    for bps in (0, 500):
        receipt = world.escrow.setFee(bps, sender=world.owner)
        assert [log.feeBps for log in world.escrow.FeeChanged.from_receipt(receipt)] == [bps]
        assert world.escrow.feeBps() == bps
    assert refusal(world, world.escrow.setFee, 501, sender=world.owner) == "Escrow_FeeAboveCap"


def test_set_fee__terms_of_the_former_fee_are_not_funded(world):
    agreed = world.terms()
    world.escrow.setFee(300, sender=world.owner)
    assert refusal(world, world.escrow.fund, agreed.tuple(), sender=world.client) == "Escrow_FeeMismatch"
    assert refusal(world, world.escrow.fund, world.terms(fee_bps=300).tuple(), sender=world.client) == ""


def test_set_fee_recipient__keeps_the_past_for_the_former(world):
    terms = world.submitted(amount=100 * USDC)
    world.escrow.release(terms.tuple(), 40 * USDC, sender=world.client)
    receipt = world.escrow.setFeeRecipient(world.verifier, sender=world.owner)
    (changed,) = world.escrow.FeeRecipientChanged.from_receipt(receipt)
    assert changed.feeRecipient == world.verifier.address == world.escrow.feeRecipient()
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert world.escrow.balanceOf(world.treasury) == USDC
    assert world.escrow.balanceOf(world.verifier) == 1_500_000
    world.escrow.setFeeRecipient(world.verifier, sender=world.owner)  # to himself: nothing is lost or doubled
    assert world.escrow.balanceOf(world.verifier) == 1_500_000
    world.escrow.withdraw(1_500_000, sender=world.verifier)
    assert world.escrow.balanceOf(world.verifier) == 0


def test_set_fee_recipient__somebody(world):
    assert refusal(world, world.escrow.setFeeRecipient, ZERO, sender=world.owner) == "Escrow_ZeroAddress"


def test_transfer_ownership__nothing_changes_before_it_is_accepted(world):
    escrow = world.escrow
    receipt = escrow.transferOwnership(world.stranger, sender=world.owner)
    (started,) = escrow.OwnershipTransferStarted.from_receipt(receipt)
    assert (started.previousOwner, started.newOwner) == (world.owner.address, world.stranger.address)
    assert (escrow.owner(), escrow.pendingOwner()) == (world.owner.address, world.stranger.address)
    assert refusal(world, escrow.setFee, 1, sender=world.stranger) == NOT_OWNER
    assert refusal(world, escrow.setFee, 1, sender=world.owner) == ""
    assert refusal(world, escrow.acceptOwnership, sender=world.owner) == NOT_OWNER


def test_transfer_ownership__a_later_choice_replaces_the_earlier(world):
    world.escrow.transferOwnership(world.stranger, sender=world.owner)
    world.escrow.transferOwnership(world.verifier, sender=world.owner)
    assert refusal(world, world.escrow.acceptOwnership, sender=world.stranger) == NOT_OWNER
    assert refusal(world, world.escrow.acceptOwnership, sender=world.verifier) == ""
    world.escrow.transferOwnership(ZERO, sender=world.owner)  # taken back
    assert refusal(world, world.escrow.acceptOwnership, sender=world.verifier) == NOT_OWNER


def test_accept_ownership__moves_every_power_once(world):
    escrow = world.escrow
    escrow.transferOwnership(world.stranger, sender=world.owner)
    receipt = escrow.acceptOwnership(sender=world.stranger)
    (moved,) = escrow.OwnershipTransferred.from_receipt(receipt)
    assert (moved.previousOwner, moved.newOwner) == (world.owner.address, world.stranger.address)
    assert (escrow.owner(), escrow.pendingOwner()) == (world.stranger.address, ZERO)
    for contract, function, arguments in (
        (escrow, "setFee", (1,)),
        (world.reputation, "setAnchorer", (world.operator,)),  # Reputation asks Escrow who its admin is
    ):
        assert refusal(world, getattr(contract, function), *arguments, sender=world.owner) != ""
        assert refusal(world, getattr(contract, function), *arguments, sender=world.stranger) == ""
    assert refusal(world, escrow.acceptOwnership, sender=world.stranger) == NOT_OWNER


def test_renounce_ownership__freezes_the_fee_and_stops_no_exit(world):
    escrow, terms = world.escrow, world.submitted()
    escrow.transferOwnership(world.stranger, sender=world.owner)
    receipt = escrow.renounceOwnership(sender=world.owner)
    (moved,) = escrow.OwnershipTransferred.from_receipt(receipt)
    assert (moved.previousOwner, moved.newOwner) == (world.owner.address, ZERO)
    assert refusal(world, escrow.acceptOwnership, sender=world.stranger) == NOT_OWNER
    assert refusal(world, escrow.setFee, 1, sender=world.owner) == NOT_OWNER
    escrow.release(terms.tuple(), terms.amount, sender=world.client)
    assert escrow.balanceOf(world.treasury) == terms.amount * 250 // 10_000
    assert refusal(world, escrow.withdraw, 1, sender=world.treasury) == ""
    escrow.pauseInflows(sender=world.guardian)
    assert refusal(world, escrow.unpauseInflows, sender=world.owner) == "Guarded_CallerNotGuardian"
    assert refusal(world, escrow.unpauseInflows, sender=world.guardian) == ""


def test_rescue_token__never_to_nobody(world):
    assert refusal(world, world.escrow.rescueToken, world.collector, ZERO, sender=world.owner) == "Escrow_ZeroAddress"
