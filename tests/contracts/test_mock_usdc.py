"""The test token behaves as USDC does where the protocol leans on it."""

from __future__ import annotations

import ape

from tests.contracts.world import FOREVER, USDC

NONCE = b"\x07" * 32


def split(signature):
    return signature[64], signature[:32], signature[32:64]


def test_faucet_is_open_and_capped(world):
    world.usdc.faucet(world.stranger, 10_000 * USDC, sender=world.stranger)
    with ape.reverts(world.usdc.FaucetCapExceeded):
        world.usdc.faucet(world.stranger, 10_000 * USDC + 1, sender=world.stranger)
    with ape.reverts(world.usdc.CallerNotOwner):
        world.usdc.mint(world.stranger, 1, sender=world.stranger)
    assert (world.usdc.decimals(), world.usdc.name(), world.usdc.version()) == (6, "USD Coin", "2")


def test_receive_with_authorization__both_signature_forms_once_each_and_only_by_the_payee(world):
    signature = world.authorization(world.client, world.stranger, USDC, NONCE)
    call = (world.client, world.stranger, USDC, 0, FOREVER, NONCE)
    receive_bytes = "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"
    receive_parts = "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
    receive = world.usdc.receiveWithAuthorization
    before = world.usdc.balanceOf(world.stranger)
    with ape.reverts(world.usdc.CallerNotPayee):
        receive(*call, signature, sender=world.verifier)
    receive(*call, *split(signature), sender=world.stranger)
    with ape.reverts(world.usdc.AuthorizationUsedOrCanceled):
        receive(*call, signature, sender=world.stranger)
    assert world.usdc.balanceOf(world.stranger) - before == USDC
    assert {receive_bytes, receive_parts} <= {abi.selector for abi in receive.abis}


def test_permit__sets_the_allowance_once(world):
    fields = {"owner": world.client.address, "spender": world.stranger.address, "value": USDC}
    signature = world.sign_token(world.client, "Permit", **fields, nonce=0, deadline=FOREVER)
    call = (world.client, world.stranger, USDC, FOREVER)
    world.usdc.permit(*call, *split(signature), sender=world.stranger)
    assert world.usdc.allowance(world.client, world.stranger) == USDC
    with ape.reverts(world.usdc.InvalidSignature):
        world.usdc.permit(*call, signature, sender=world.stranger)


def test_blacklist_and_pause_stop_movements(world):
    world.usdc.blacklist(world.client, sender=world.owner)
    with ape.reverts(world.usdc.AccountBlacklisted):
        world.usdc.transfer(world.stranger, 1, sender=world.client)
    with ape.reverts(world.usdc.AccountBlacklisted):
        world.usdc.transfer(world.client, 1, sender=world.provider)
    world.usdc.unBlacklist(world.client, sender=world.owner)
    world.usdc.pause(sender=world.owner)
    with ape.reverts(world.usdc.EnforcedPause):
        world.usdc.transfer(world.stranger, 1, sender=world.client)
    world.usdc.unpause(sender=world.owner)
    world.usdc.transfer(world.stranger, 1, sender=world.client)
