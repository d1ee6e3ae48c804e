"""Escrow: the bonds of a dispute, out of a balance or by a signature over exactly one of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.refusals import refusal
from tests.contracts.signatures import forged
from tests.contracts.stages import EVIDENCE, FEE, NO_BOND, Stages, set_stages
from tests.contracts.world import FOREVER, Terms, nonce_of

DISPUTED = 5
# function, party, status, what the function takes besides the bond when the party calls
ROADS = {
    "disputeWithSignature": ("client", "submitted", (EVIDENCE, 0, b"")),
    "respondWithSignature": ("provider", "challenged", (0, b"")),
}
every_road = pytest.mark.parametrize("road", ROADS)


@pytest.fixture(scope="module")
def stages(world, project) -> Stages:
    return set_stages(world, project)


def authorization(stages: Stages, road: str, until: int = FOREVER) -> dict[str, Any]:
    """What the party signs for the token."""
    party, status, _ = ROADS[road]
    account = stages.party(party).address
    nonce = nonce_of(("bytes32", stages.ids[status]), ("string", "bond"), ("address", account))
    to = stages.world.escrow.address
    return {"from": account, "to": to, "value": FEE, "validAfter": 0, "validBefore": until, "nonce": nonce}


def ask(stages: Stages, road: str, bond: tuple[int, bytes], at: int | None = None) -> str:
    """What the party meets who calls himself, with that bond."""
    party, status, between = ROADS[road]
    call = (getattr(stages.world.escrow, road), stages.terms[status].tuple(), *between, bond)
    return refusal(stages.world, *call, sender=stages.party(party), at=at)


@every_road
def test_bond_authorization__is_for_one_party_of_one_escrow(stages, road):
    world, signer = stages.world, stages.party(ROADS[road][0])
    others = [other for other in (world.client, world.provider, world.stranger) if other != signer]
    domain = world.domain("USD Coin", "2", world.usdc)
    wrong = forged(signer, others, domain, "ReceiveWithAuthorization", authorization(stages, road))
    del wrong["nothing"]  # means a bond from the balance
    refused = {what: ask(stages, road, (FOREVER, signature)) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "InvalidSignature")


@every_road
def test_bond_authorization__counts_to_the_second_before(stages, road):
    world, until = stages.world, stages.world.now() + 60
    signer = stages.party(ROADS[road][0])
    signature = world.sign_token(signer, "ReceiveWithAuthorization", **authorization(stages, road, until))
    assert ask(stages, road, (until, signature), at=until - 1) == ""
    assert ask(stages, road, (until, signature), at=until) == "AuthorizationExpired"


def dispute(stages: Stages, terms: Terms) -> tuple[Any, ...]:
    """A call of a relayer with the client's consent and a bond from his balance."""
    world = stages.world
    fields = {"escrowId": world.id_of(terms), "evidenceHash": EVIDENCE, "validUntil": FOREVER}
    return (terms.tuple(), EVIDENCE, FOREVER, world.sign_escrow(world.client, "Dispute", **fields), NO_BOND)


def test_dispute_with_signature__spends_the_balance_up_to_the_price(stages):
    world = stages.world
    for amount, answer in ((FEE - 1, "Escrow_BondAboveAmount"), (FEE, "")):
        terms = world.submitted(arbiter=stages.arbitrator.address, amount=amount)
        call = (world.escrow.disputeWithSignature, *dispute(stages, terms))
        assert refusal(world, *call, sender=world.stranger) == answer
    terms, before = stages.terms["submitted"], world.escrow.balanceOf(world.client)
    receipt = world.escrow.disputeWithSignature(*dispute(stages, terms), sender=world.stranger)
    assert world.escrow.balanceOf(world.client) == before - FEE
    (posted,) = world.escrow.BondPosted.from_receipt(receipt)
    assert (posted.party, posted.amount) == (world.client.address, FEE)
    assert [log.amount for log in world.escrow.BalanceSpent.from_receipt(receipt)] == [FEE]
    assert [log.by for log in world.escrow.DisputeRaised.from_receipt(receipt)] == [world.client.address]


def test_dispute_with_signature__reverts_a_unit_above_the_balance(stages):
    world = stages.world
    world.escrow.withdraw(world.escrow.balanceOf(world.client) - FEE + 1, sender=world.client)
    call = (world.escrow.disputeWithSignature, *dispute(stages, stages.terms["submitted"]))
    assert refusal(world, *call, sender=world.stranger) == "Ledger_InsufficientBalance"


def test_respond_with_signature__needs_none_from_the_provider_himself(stages):
    world, terms = stages.world, stages.terms["challenged"]
    before = world.escrow.balanceOf(world.provider)
    receipt = world.escrow.respondWithSignature(terms.tuple(), 0, b"", NO_BOND, sender=world.provider)
    assert world.status(terms) == DISPUTED
    assert world.escrow.balanceOf(world.provider) == before - FEE
    (posted,) = world.escrow.BondPosted.from_receipt(receipt)
    assert (posted.party, posted.amount) == (world.provider.address, FEE)
    assert [log.amount for log in world.escrow.BalanceSpent.from_receipt(receipt)] == [FEE]
    assert [bytes(log.id) for log in world.escrow.DisputeJoined.from_receipt(receipt)] == [stages.ids["challenged"]]


def test_respond__reverts_when_the_fee_has_risen_above_the_price(stages):
    world, terms = stages.world, stages.terms["challenged"]
    stages.arbitrator.setFee(terms.amount + 1, sender=world.owner)
    assert refusal(world, world.escrow.respond, terms.tuple(), sender=world.provider) == "Escrow_BondAboveAmount"
