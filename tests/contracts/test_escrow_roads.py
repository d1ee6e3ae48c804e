"""Escrow: permits, signed spending, batches, payouts, ratings, rescue."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from tests.contracts.refusals import refusal
from tests.contracts.world import FOREVER, USDC, Terms, World

FUNDED, SUBMITTED, CLOSED = 1, 3, 7
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
COMMENT = b"\x44" * 32


def permit(world: World, value: int) -> bytes:
    """The client's EIP-2612 permit for Escrow."""
    return world.sign_token(
        world.client,
        "Permit",
        owner=world.client.address,
        spender=world.escrow.address,
        value=value,
        nonce=world.usdc.nonces(world.client),
        deadline=FOREVER,
    )


def consent(world: World, terms: Terms) -> bytes:
    """The client's `Fund`."""
    return world.sign_escrow(world.client, "Fund", escrowId=world.id_of(terms), validUntil=FOREVER)


def test_fund_with_permit__reverts_without_consent(world):
    terms = world.terms()
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.fundWithPermit(
            terms.tuple(), terms.amount, FOREVER, permit(world, terms.amount), FOREVER, b"", sender=world.stranger
        )


def test_fund_with_permit__funds_for_the_client(world):
    world.usdc.approve(world.escrow, 0, sender=world.client)
    terms = world.terms()
    call = (terms.tuple(), terms.amount, FOREVER, permit(world, terms.amount), FOREVER, consent(world, terms))
    world.escrow.fundWithPermit(*call, sender=world.stranger)
    assert world.status(terms) == FUNDED
    with ape.reverts(world.escrow.Escrow_AlreadyExists):
        world.escrow.fundWithPermit(*call, sender=world.stranger)


def test_fund_with_permit__survives_a_used_permit(world):
    world.usdc.approve(world.escrow, 0, sender=world.client)
    terms = world.terms()
    signature = permit(world, terms.amount)
    world.usdc.permit(world.client, world.escrow, terms.amount, FOREVER, signature, sender=world.stranger)
    world.escrow.fundWithPermit(terms.tuple(), terms.amount, FOREVER, signature, 0, b"", sender=world.client)
    assert world.status(terms) == FUNDED


def permit2(world: World, terms: Terms) -> bytes:
    """The client's Permit2 signature with the escrow as witness."""
    domain = {"name": "Permit2", "chainId": world.chain.chain_id, "verifyingContract": PERMIT2}
    types = {
        "PermitWitnessTransferFrom": [
            {"name": "permitted", "type": "TokenPermissions"},
            {"name": "spender", "type": "address"},
            {"name": "nonce", "type": "uint256"},
            {"name": "deadline", "type": "uint256"},
            {"name": "witness", "type": "EscrowFundWitness"},
        ],
        "TokenPermissions": [{"name": "token", "type": "address"}, {"name": "amount", "type": "uint256"}],
        "EscrowFundWitness": [{"name": "escrowId", "type": "bytes32"}],
    }
    message = {
        "permitted": {"token": world.usdc.address, "amount": terms.amount},
        "spender": world.escrow.address,
        "nonce": 7,
        "deadline": FOREVER,
        "witness": {"escrowId": world.id_of(terms)},
    }
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
    return bytes(Account.sign_message(signable, world.client.private_key).signature)


@pytest.fixture(scope="module")
def with_permit2(world: World, project: Any, chain: Any) -> None:
    """Put the stand-in of Permit2 at its address and let it spend the client's money."""
    code = chain.provider.get_code(world.owner.deploy(project.MockPermit2).address)
    chain.provider.set_code(PERMIT2, code)
    world.usdc.approve(PERMIT2, 2**256 - 1, sender=world.client)


@pytest.mark.usefixtures("with_permit2")
def test_fund_with_permit2__funds_by_witness(world):
    terms = world.terms()
    world.escrow.fundWithPermit2(terms.tuple(), 7, FOREVER, permit2(world, terms), sender=world.stranger)
    assert world.status(terms) == FUNDED


@pytest.mark.usefixtures("with_permit2")
def test_fund_with_permit2__reverts_for_other_terms(world):
    terms, other = world.terms(salt=1), world.terms(salt=2)
    call = (world.escrow.fundWithPermit2, other.tuple(), 7, FOREVER, permit2(world, terms))
    assert refusal(world, *call, sender=world.stranger) == "InvalidSigner"


def with_balance(world: World) -> None:
    terms = world.terms(salt=99)
    world.escrow.fund(terms.tuple(), sender=world.client)
    world.escrow.cancel(terms.tuple(), sender=world.client)


def test_fund_from_balance_with_signature__spends_the_balance(world):
    with_balance(world)
    terms = world.terms()
    receipt = world.escrow.fundFromBalanceWithSignature(
        terms.tuple(), FOREVER, consent(world, terms), sender=world.stranger
    )
    assert world.escrow.balanceOf(world.client) == 0
    assert len(list(world.escrow.BalanceSpent.from_receipt(receipt))) == 1


def test_fund_from_balance_with_signature__reverts_for_another_escrow(world):
    with_balance(world)
    with ape.reverts(world.escrow.Escrow_InvalidSignature):
        world.escrow.fundFromBalanceWithSignature(
            world.terms(salt=2).tuple(), FOREVER, consent(world, world.terms(salt=1)), sender=world.stranger
        )


def test_release_batch__skips_rows_with_their_reason(world):
    good, late = world.submitted(salt=1), world.accepted(salt=2)
    world.escrow.release(good.tuple(), USDC, sender=world.client)
    closed = world.submitted(salt=3)
    world.escrow.release(closed.tuple(), closed.amount, sender=world.client)
    foreign = world.terms(client=world.provider.address, provider=world.client.address, salt=4)
    rows = [row.tuple() for row in (closed, good, foreign, late, good)]
    before = world.escrow.balanceOf(world.provider)
    receipt = world.escrow.releaseBatch(rows, sender=world.client)
    assert world.status(good) == world.status(late) == CLOSED
    fees = [row.amount * 250 // 10_000 for row in (good, late)]
    partial = USDC - USDC * 250 // 10_000
    assert world.escrow.balanceOf(world.provider) - before == good.amount + late.amount - sum(fees) - partial
    skipped = [(event.index, bytes(event.reason)) for event in world.escrow.RowSkipped.from_receipt(receipt)]
    wrong_status = keccak(text="Escrow_WrongStatus(bytes32,uint8)")[:4]
    not_client = keccak(text="Escrow_CallerNotClient(bytes32,address)")[:4]
    assert skipped == [(0, wrong_status), (2, not_client), (4, wrong_status)]
    assert world.escrow.StakeSettlementFailed.from_receipt(receipt) == [], "a skipped row reports nothing"
    assert world.reputation.stakeOf(world.provider).locked == 0


def test_release_and_pay__pays_the_wallet(world):
    terms = world.submitted()
    before = world.usdc.balanceOf(world.provider)
    receipt = world.escrow.releaseAndPay(terms.tuple(), terms.amount, sender=world.client)
    net = terms.amount - terms.amount * 250 // 10_000
    assert world.usdc.balanceOf(world.provider) == before + net
    assert world.escrow.balanceOf(world.provider) == 0
    (paid,) = world.escrow.Withdrawn.from_receipt(receipt)
    assert (paid.account, paid.to, paid.amount) == (world.provider.address, world.provider.address, net)
    assert world.status(terms) == CLOSED


def test_release_and_pay__falls_back_to_the_balance(world):
    terms = world.submitted()
    world.usdc.blacklist(world.provider, sender=world.owner)
    receipt = world.escrow.releaseAndPay(terms.tuple(), terms.amount, sender=world.client)
    assert world.escrow.balanceOf(world.provider) == terms.amount - terms.amount * 250 // 10_000
    assert not list(world.escrow.Withdrawn.from_receipt(receipt))


def test_release_and_pay__reverts_for_others(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_CallerNotClient):
        world.escrow.releaseAndPay(terms.tuple(), terms.amount, sender=world.provider)


def test_refund_and_pay__pays_the_wallet(world):
    terms = world.submitted()
    before = world.usdc.balanceOf(world.client)
    world.escrow.refundAndPay(terms.tuple(), terms.amount, sender=world.provider)
    assert world.usdc.balanceOf(world.client) == before + terms.amount


def test_refund_and_pay__reverts_for_others(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_CallerNotProvider):
        world.escrow.refundAndPay(terms.tuple(), terms.amount, sender=world.client)


def closed(world: World, **changes: Any) -> Terms:
    terms = world.submitted(**changes)
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    return terms


def test_rate__reverts_before_the_end(world):
    terms = world.submitted()
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.rate(terms.tuple(), 100, COMMENT, sender=world.client)


def test_rate__reverts_when_never_accepted(world):
    terms = world.terms()
    world.fund_signed(terms)
    world.escrow.cancel(terms.tuple(), sender=world.client)
    with ape.reverts(world.escrow.Escrow_NotAccepted):
        world.escrow.rate(terms.tuple(), 100, COMMENT, sender=world.client)


def test_rate__reverts_for_strangers(world):
    with ape.reverts(world.escrow.Escrow_CallerNotParty):
        world.escrow.rate(closed(world).tuple(), 100, COMMENT, sender=world.stranger)


def test_rate__reverts_when_the_score_is_off_the_scale(world):
    with ape.reverts(world.escrow.Escrow_ScoreOutOfRange):
        world.escrow.rate(closed(world).tuple(), 101, COMMENT, sender=world.client)


def test_rate__once_by_each_side(world):
    terms = closed(world)
    receipt = world.escrow.rate(terms.tuple(), 90, COMMENT, sender=world.client)
    (rated,) = world.escrow.Rated.from_receipt(receipt)
    assert (rated.rater, rated.ratee) == (world.client.address, world.provider.address)
    assert (rated.score, rated.settledValue) == (90, terms.amount)
    with ape.reverts(world.escrow.Escrow_AlreadyRated):
        world.escrow.rate(terms.tuple(), 10, COMMENT, sender=world.client)
    message = {"escrowId": world.id_of(terms), "score": 70, "commentHash": COMMENT, "validUntil": FOREVER}
    signature = world.sign_escrow(world.provider, "Rating", **message)
    call = (terms.tuple(), world.provider, 70, COMMENT, FOREVER, signature)
    world.escrow.rateWithSignature(*call, sender=world.stranger)
    with ape.reverts(world.escrow.Escrow_AlreadyRated):
        world.escrow.rateWithSignature(*call, sender=world.stranger)
    assert world.escrow.stateOf(world.id_of(terms)).flags == 8 | 2 | 1


def test_rescue_token__never_the_token(world):
    with ape.reverts(world.escrow.Escrow_TokenNotRescuable):
        world.escrow.rescueToken(world.usdc, world.owner, sender=world.owner)


def test_rescue_token__reverts_for_others(world):
    with ape.reverts(world.escrow.OwnableUnauthorizedAccount):
        world.escrow.rescueToken(world.escrow, world.guardian, sender=world.guardian)


def test_rescue_token__sends_other_tokens(world, project):
    other = world.owner.deploy(project.MockUSDC, world.owner)
    other.faucet(world.escrow, 5, sender=world.owner)
    world.escrow.rescueToken(other, world.treasury, sender=world.owner)
    assert other.balanceOf(world.treasury) == 5


def test_extension__refuses_direct_calls_and_holds_nothing(world, project):
    extension = project.EscrowExtension.at(world.escrow.extension())
    terms = world.submitted()
    with ape.reverts(extension.Escrow_DirectCall):
        extension.settleStake(terms.tuple(), sender=world.client)
    with ape.reverts(extension.Escrow_DirectCall):
        extension.fundFromBalanceWithSignature(terms.tuple(), FOREVER, b"", sender=world.client)
    assert world.usdc.balanceOf(extension) == 0
    config = (world.usdc, world.owner, world.guardian, world.treasury, 250, 500, 60, 60, 60, 60, 60, 60)
    with ape.reverts(world.escrow.Escrow_WrongExtension):
        world.owner.deploy(project.Escrow, config, extension)
