"""PaymentChannel: deposits by permit and Permit2, front-runners, signatures from elsewhere, tokens sent by mistake."""

from __future__ import annotations

import ape
import pytest
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.contracts.refusals import refusal
from tests.contracts.signatures import forged
from tests.contracts.world import FOREVER, USDC, nonce_of, sign

PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
PERMISSIONS = [{"name": "token", "type": "address"}, {"name": "amount", "type": "uint256"}]


@pytest.fixture(scope="module")
def permit2(world, project):
    """The stand-in's code at the address of Permit2, and the client's allowance for it."""
    code = world.chain.provider.get_code(world.owner.deploy(project.MockPermit2).address)
    world.chain.provider.set_code(PERMIT2, bytes(code))
    world.usdc.approve(PERMIT2, 2**256 - 1, sender=world.client)
    return project.MockPermit2.at(PERMIT2)


def permit2_signature(world, spender, amount, nonce, witness):
    """A `PermitWitnessTransferFrom` of the client; `witness` is (type name, field name, value)."""
    kind, name, value = witness
    types = {
        "PermitWitnessTransferFrom": [
            {"name": "permitted", "type": "TokenPermissions"},
            {"name": "spender", "type": "address"},
            {"name": "nonce", "type": "uint256"},
            {"name": "deadline", "type": "uint256"},
            {"name": "witness", "type": kind},
        ],
        "TokenPermissions": PERMISSIONS,
        kind: [{"name": name, "type": "bytes32"}],
    }
    domain = {"name": "Permit2", "chainId": world.chain.chain_id, "verifyingContract": PERMIT2}
    message = {
        "permitted": {"token": world.usdc.address, "amount": amount},
        "spender": spender.address,
        "nonce": nonce,
        "deadline": FOREVER,
        "witness": {name: value},
    }
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
    return bytes(Account.sign_message(signable, world.client.private_key).signature)


def pool_permit2(world, amount, nonce):
    return permit2_signature(world, world.channel, amount, nonce, ("PoolDepositWitness", "poolId", world.pool_id()))


def permit(world, amount, spender=None):
    spender = (spender or world.channel).address
    fields = {"owner": world.client.address, "spender": spender, "value": amount, "deadline": FOREVER}
    return world.sign_token(world.client, "Permit", **fields, nonce=world.usdc.nonces(world.client))


# depositPoolWithPermit -----------------------------------------------------------------------------------------------


def test_pool_permit__credits_exactly_the_permit(world):
    world.usdc.approve(world.channel, 0, sender=world.client)
    signature = permit(world, 3 * USDC)
    world.channel.depositPoolWithPermit(
        world.session, world.operator, 3 * USDC, FOREVER, signature, sender=world.client
    )
    assert world.pool().balance == 3 * USDC
    assert world.usdc.allowance(world.client, world.channel) == 0


def test_pool_permit__works_after_a_front_runner_sent_the_permit(world):
    world.usdc.approve(world.channel, 0, sender=world.client)
    signature = permit(world, 3 * USDC)
    world.usdc.permit(world.client, world.channel, 3 * USDC, FOREVER, signature, sender=world.stranger)
    world.channel.depositPoolWithPermit(
        world.session, world.operator, 3 * USDC, FOREVER, signature, sender=world.client
    )
    assert world.pool().balance == 3 * USDC


def test_pool_permit__somebody_elses_permit_moves_nothing(world):
    world.usdc.approve(world.channel, 0, sender=world.client)
    call = (world.session, world.operator, 3 * USDC, FOREVER, permit(world, 3 * USDC))
    deposit = world.channel.depositPoolWithPermit
    assert refusal(world, deposit, *call, sender=world.stranger) == "TransferFromFailed"
    assert refusal(world, deposit, *call, sender=world.client) == ""


def test_pool_permit__reverts_when_paused_and_on_nothing(world):
    with ape.reverts(world.channel.PoolAmountZero):
        world.channel.depositPoolWithPermit(world.session, world.operator, 0, FOREVER, b"", sender=world.client)
    world.channel.pauseInflows(sender=world.guardian)
    with ape.reverts(world.channel.Guarded_InflowsPaused):
        world.channel.depositPoolWithPermit(world.session, world.operator, 1, FOREVER, b"", sender=world.client)


# depositPoolWithPermit2 ----------------------------------------------------------------------------------------------


def test_pool_permit2__anyone_sends_what_the_payer_signed(world, permit2):
    tail = (5 * USDC, 1, FOREVER, pool_permit2(world, 5 * USDC, 1))
    world.channel.depositPoolWithPermit2(*world.pool_key(), *tail, sender=world.stranger)
    assert world.pool().balance == 5 * USDC
    again = refusal(world, world.channel.depositPoolWithPermit2, *world.pool_key(), *tail, sender=world.stranger)
    assert again == "InvalidNonce"


def test_pool_permit2__reverts_on_another_key_operator_or_amount(world, permit2):
    signature = pool_permit2(world, 5 * USDC, 2)
    tail = (2, FOREVER, signature)
    client, session, operator = world.pool_key()
    changed = [
        (client, world.stranger, operator, 5 * USDC),
        (client, session, world.stranger, 5 * USDC),
        (client, session, operator, 5 * USDC - 1),
        (world.provider, session, operator, 5 * USDC),
    ]
    for call in changed:
        deposit = (world.channel.depositPoolWithPermit2, *call, *tail)
        assert refusal(world, *deposit, sender=world.stranger) == "InvalidSigner"
    world.channel.depositPoolWithPermit2(client, session, operator, 5 * USDC, *tail, sender=world.stranger)


def test_pool_permit2__reverts_when_paused(world, permit2):
    world.channel.pauseInflows(sender=world.guardian)
    with ape.reverts(world.channel.Guarded_InflowsPaused):
        world.channel.depositPoolWithPermit2(*world.pool_key(), 1, 3, FOREVER, b"", sender=world.stranger)


# deposit through the Permit2 collector -------------------------------------------------------------------------------


def channel_permit2(world, config, amount, nonce, permit_data=b""):
    collector = world.channel.permit2Collector()
    witness = ("DepositWitness", "channelId", world.channel_id(config))
    signature = permit2_signature(world, ape.project.Permit2DepositCollector.at(collector), amount, nonce, witness)
    return encode(["uint256", "uint256", "bytes", "bytes"], [nonce, FOREVER, signature, permit_data])


def test_permit2_collector__pays_into_the_signed_channel_only(world, permit2):
    config, other = world.config(world.provider), world.config(world.stranger)
    collector = world.channel.permit2Collector()
    data = channel_permit2(world, config, 5 * USDC, 4)
    for key, amount in ((other, 5 * USDC), (config, 5 * USDC - 1)):
        deposit = (world.channel.deposit, tuple(key.values()), amount, collector, data)
        assert refusal(world, *deposit, sender=world.stranger) == "InvalidSigner"
    world.channel.deposit(tuple(config.values()), 5 * USDC, collector, data, sender=world.stranger)
    assert world.channel.channels(world.channel_id(config)).balance == 5 * USDC
    assert world.usdc.balanceOf(collector) == 0
    again = (world.channel.deposit, tuple(config.values()), 5 * USDC, collector, data)
    assert refusal(world, *again, sender=world.stranger) == "InvalidNonce"


def test_permit2_collector__reverts_for_any_other_caller(world, permit2):
    config = world.config(world.provider)
    collector = ape.project.Permit2DepositCollector.at(world.channel.permit2Collector())
    data = channel_permit2(world, config, 5 * USDC, 5)
    with ape.reverts(collector.CallerNotChannel):
        collector.collect(world.client, world.usdc, 5 * USDC, world.channel_id(config), data, sender=world.stranger)


@pytest.mark.parametrize("front_run", [False, True])
def test_permit2_collector__takes_a_permit_along(world, permit2, front_run):
    world.usdc.approve(PERMIT2, 0, sender=world.client)
    signature = permit(world, 5 * USDC, spender=permit2)
    r, s, v = signature[:32], signature[32:64], signature[64]
    kinds = ["uint256", "uint256", "uint8", "bytes32", "bytes32"]
    config = world.config(world.provider)
    data = channel_permit2(world, config, 5 * USDC, 6, encode(kinds, [5 * USDC, FOREVER, v, r, s]))
    if front_run:
        world.usdc.permit(world.client, PERMIT2, 5 * USDC, FOREVER, signature, sender=world.stranger)
    collector = world.channel.permit2Collector()
    world.channel.deposit(tuple(config.values()), 5 * USDC, collector, data, sender=world.stranger)
    assert world.channel.channels(world.channel_id(config)).balance == 5 * USDC


# signatures from elsewhere -------------------------------------------------------------------------------------------


def test_voucher__of_another_chain_or_contract_is_worthless(world):
    config = world.config(world.provider)
    world.channel.deposit(tuple(config.values()), 5 * USDC, "0x" + "0" * 40, b"", sender=world.client)
    fields = {"channelId": world.channel_id(config), "maxClaimableAmount": USDC}
    domain = {
        "name": "x402 Batch Settlement",
        "version": "1",
        "chainId": world.chain.chain_id,
        "verifyingContract": world.channel.address,
    }
    for change in ({"chainId": 1}, {"verifyingContract": world.escrow.address}, {"version": "2"}):
        signature = sign(world.session, domain | change, "Voucher", fields)
        with ape.reverts(world.channel.InvalidSignature):
            world.channel.claim([((tuple(config.values()), USDC), signature, USDC)], sender=world.provider)


def test_deposit__by_authorization_reverts_on_another_amount_or_config(world):
    config = world.config(world.provider)
    nonce = nonce_of(("bytes32", world.channel_id(config)), ("uint256", 9))
    signature = world.authorization(world.client, world.collector, 5 * USDC, nonce)
    data = encode(["uint256", "uint256", "uint256", "bytes"], [0, FOREVER, 9, signature])
    for key, amount in (
        (world.config(world.provider, payerAuthorizer=world.stranger.address), 5 * USDC),
        (world.config(world.provider, withdrawDelay=900), 5 * USDC),
        (config, 5 * USDC + 1),
    ):
        deposit = (world.channel.deposit, tuple(key.values()), amount, world.collector, data)
        assert refusal(world, *deposit, sender=world.stranger) == "InvalidSignature"
    world.channel.deposit(tuple(config.values()), 5 * USDC, world.collector, data, sender=world.stranger)


def test_refund_with_signature__of_another_key_place_or_message_is_refused(world):
    config = world.config(world.provider)
    key = tuple(config.values())
    world.channel.deposit(key, 5 * USDC, "0x" + "0" * 40, b"", sender=world.client)
    message = {"channelId": world.channel_id(config), "nonce": 0, "amount": USDC}
    domain = world.domain("x402 Batch Settlement", "1", world.channel)
    # not even the receiver signs for the authorizer
    wrong = forged(world.operator, (world.provider, world.client, world.session), domain, "ChannelRefund", message)
    call = (world.channel.refundWithSignature, key, USDC, 0)
    refused = {what: refusal(world, *call, signature, sender=world.stranger) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "InvalidSignature")
    good = world.sign_channel(world.operator, "ChannelRefund", **message)
    world.channel.refundWithSignature(key, USDC, 0, good, sender=world.stranger)
    assert refusal(world, *call, good, sender=world.stranger) == "InvalidRefundNonce"


def test_voucher__of_another_key_ceiling_or_channel_is_refused(world):
    config = world.config(world.provider)
    world.channel.deposit(tuple(config.values()), 5 * USDC, "0x" + "0" * 40, b"", sender=world.client)
    message = {"channelId": world.channel_id(config), "maxClaimableAmount": USDC}
    domain = world.domain("x402 Batch Settlement", "1", world.channel)
    # where a session key is named, not even the payer signs in its place
    others = (world.client, world.operator, world.provider)
    wrong = forged(world.session, others, domain, "Voucher", message)
    claim = world.channel.claim
    refused = {
        what: refusal(world, claim, [((tuple(config.values()), USDC), signature, USDC)], sender=world.provider)
        for what, signature in wrong.items()
    }
    assert refused == dict.fromkeys(wrong, "InvalidSignature")


def test_refund__takes_off_a_pending_withdrawal(world):
    config = world.config(world.provider)
    key = tuple(config.values())
    world.channel.deposit(key, 5 * USDC, "0x" + "0" * 40, b"", sender=world.client)
    world.channel.initiateWithdraw(key, 5 * USDC, sender=world.client)
    world.channel.refund(key, 2 * USDC, sender=world.operator)
    assert world.channel.pendingWithdrawals(world.channel_id(config)).amount == 3 * USDC
    receipt = world.channel.refund(key, 9 * USDC, sender=world.operator)
    assert tuple(world.channel.pendingWithdrawals(world.channel_id(config))) == (0, 0)
    assert len(world.channel.ChannelClosed.from_receipt(receipt)) == 1
    receipt = world.channel.refund(key, 1, sender=world.operator)
    assert world.channel.refundNonce(world.channel_id(config)) == 3
    assert len(world.channel.Refunded.from_receipt(receipt)) == 0


# rescueToken ---------------------------------------------------------------------------------------------------------


def test_rescue_token__never_usdc_and_only_by_the_guardian(world, project):
    other = world.owner.deploy(project.MockUSDC, world.owner)
    other.mint(world.channel, 7, sender=world.owner)
    world.open_pool()
    with ape.reverts(world.channel.Guarded_CallerNotGuardian):
        world.channel.rescueToken(other, world.owner, 7, sender=world.owner)
    with ape.reverts(world.channel.UnsupportedToken):
        world.channel.rescueToken(world.usdc, world.guardian, 1, sender=world.guardian)
    receipt = world.channel.rescueToken(other, world.client, 7, sender=world.guardian)
    assert [event.amount for event in world.channel.TokenRescued.from_receipt(receipt)] == [7]
    assert other.balanceOf(world.client) == 7
    assert world.usdc.balanceOf(world.channel) == world.pool().balance
