"""Escrow: the six roads money comes in by, what each refuses, and what each leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.refusals import refusal
from tests.contracts.signatures import forged
from tests.contracts.stages import IN_BALANCE, fill_balances
from tests.contracts.world import FOREVER, USDC, ZERO, Terms, World

DAY = 86400
NO_ACCEPTANCE = (0, b"")
ACCEPTED = 2


def consent(world: World, terms: Terms) -> bytes:
    """The client's `Fund`."""
    return world.sign_escrow(world.client, "Fund", escrowId=world.id_of(terms), validUntil=FOREVER)


# how a road is called, as far as it asks anything before the money; sent by the client
ROADS: dict[str, Callable[[World, Terms], tuple[Any, ...]]] = {
    "fund": lambda _, terms: (terms.tuple(),),
    "fundFromBalance": lambda _, terms: (terms.tuple(),),
    "fundWithAuthorization": lambda _, terms: (terms.tuple(), FOREVER, b"", NO_ACCEPTANCE),
    "fundFromBalanceWithSignature": lambda world, terms: (terms.tuple(), FOREVER, consent(world, terms)),
    "fundWithPermit": lambda _, terms: (terms.tuple(), terms.amount, FOREVER, b"", 0, b""),
    "fundWithPermit2": lambda _, terms: (terms.tuple(), 0, FOREVER, b""),
}
every_road = pytest.mark.parametrize("road", ROADS)


@pytest.fixture(scope="module")
def filled(world) -> World:
    """Client and provider have balances."""
    fill_balances(world)
    return world


def ask(world: World, road: str, terms: Terms, at: int | None = None) -> str:
    """What the client meets."""
    return refusal(world, getattr(world.escrow, road), *ROADS[road](world, terms), sender=world.client, at=at)


def beyond(now: int, world: World) -> list[tuple[str, dict[str, Any]]]:
    """Errors and the terms that meet them, each a step beyond what is allowed."""
    client, provider = world.client.address, world.provider.address
    window, chairs = "Escrow_InvalidWindow", "Escrow_SelfDeal"
    return [
        ("Escrow_ZeroAddress", {"client": ZERO}),
        ("Escrow_ZeroAddress", {"provider": ZERO}),
        (chairs, {"provider": client}),
        (chairs, {"verifier": client}),
        (chairs, {"verifier": provider}),
        (chairs, {"arbiter": client}),
        (chairs, {"arbiter": provider}),
        ("Escrow_AmountZero", {"amount": 0}),
        ("Escrow_QuorumOutOfRange", {"quorum": 3}),
        ("Escrow_QuorumOutOfRange", {"quorum": 4, "verifier": world.verifier.address}),
        (window, {"accept_by": now}),
        (window, {"accept_by": now + 7 * DAY + 1, "deliver_by": now + 8 * DAY}),
        (window, {"accept_by": now + 60, "deliver_by": now + 60}),
        (window, {"deliver_by": now + 180 * DAY + 1}),
        (window, {"challenge_period": 59}),
        (window, {"challenge_period": 14 * DAY + 1}),
        (window, {"dispute_timeout": 180 * DAY + 1}),
        ("Escrow_FeeMismatch", {"fee_bps": 249}),
        ("Escrow_FeeMismatch", {"fee_bps": 251}),
    ]


@every_road
def test_funding__refuses_unsound_terms_on_every_road(filled, road):
    now = filled.now()
    expected = [error for error, _ in beyond(now, filled)]
    assert [ask(filled, road, filled.terms(**changes), at=now) for _, changes in beyond(now, filled)] == expected


@pytest.mark.parametrize("road", ["fund", "fundFromBalance", "fundFromBalanceWithSignature", "fundWithPermit"])
def test_funding__takes_terms_up_to_every_bound(filled, road):
    now = filled.now()
    bounds: list[dict[str, Any]] = [
        {"accept_by": now + 1},
        {"accept_by": now + 7 * DAY, "deliver_by": now + 7 * DAY + 1},
        {"deliver_by": now + 180 * DAY},
        {"challenge_period": 60},
        {"challenge_period": 14 * DAY},
        {"dispute_timeout": 0},
        {"dispute_timeout": 180 * DAY},
        {"quorum": 2},
        {"quorum": 3, "verifier": filled.verifier.address, "arbiter": filled.verifier.address},
        {"amount": 1},
    ]
    assert {ask(filled, road, filled.terms(**changes), at=now) for changes in bounds} == {""}


@every_road
def test_funding__refuses_an_id_that_was_ever_funded(filled, road):
    running, over = filled.terms(salt=1), filled.terms(salt=2)
    for terms in (running, over):
        filled.escrow.fund(terms.tuple(), sender=filled.client)
    filled.escrow.cancel(over.tuple(), sender=filled.client)
    assert {ask(filled, road, terms) for terms in (running, over)} == {"Escrow_AlreadyExists"}


def test_funding__stops_on_every_road_while_paused(filled):
    filled.escrow.pauseInflows(sender=filled.guardian)
    assert {road: ask(filled, road, filled.terms()) for road in ROADS} == dict.fromkeys(ROADS, "Guarded_InflowsPaused")


@pytest.mark.parametrize("road", ["fund", "fundFromBalance"])
def test_funding__is_the_clients_own_call(filled, road):
    terms = filled.terms().tuple()
    others = (filled.provider, filled.stranger, filled.owner, filled.guardian)
    call = getattr(filled.escrow, road)
    assert {refusal(filled, call, terms, sender=other) for other in others} == {"Escrow_CallerNotClient"}


def test_fund__pulls_exactly_the_price_and_tells(filled):
    terms = filled.terms()
    wallet, held = (filled.usdc.balanceOf(account) for account in (filled.client, filled.escrow))
    receipt = filled.escrow.fund(terms.tuple(), sender=filled.client)
    assert filled.usdc.balanceOf(filled.client) == wallet - terms.amount
    assert filled.usdc.balanceOf(filled.escrow) == held + terms.amount
    assert filled.escrow.balanceOf(filled.client) == IN_BALANCE
    (funded,) = filled.escrow.EscrowFunded.from_receipt(receipt)
    assert bytes(funded.id) == filled.id_of(terms)
    assert [funded.event_arguments[name] for name in ("client", "provider")] == [terms.client, terms.provider]


def test_fund__reverts_when_the_token_refuses(filled):
    poor = filled.terms(client=filled.stranger.address)
    call = (filled.escrow.fund, poor.tuple())
    assert refusal(filled, *call, sender=filled.stranger) == "TransferFromFailed"  # neither money nor allowance
    filled.usdc.blacklist(filled.client, sender=filled.owner)
    assert ask(filled, "fund", filled.terms()) == "TransferFromFailed"
    assert ask(filled, "fundFromBalance", filled.terms()) == ""  # what is here already is not the token's business
    filled.usdc.unBlacklist(filled.client, sender=filled.owner)
    filled.usdc.pause(sender=filled.owner)
    assert ask(filled, "fund", filled.terms()) == "TransferFromFailed"


def test_fund_from_balance__spends_exactly_the_price_and_tells(filled):
    terms, wallet = filled.terms(), filled.usdc.balanceOf(filled.client)
    receipt = filled.escrow.fundFromBalance(terms.tuple(), sender=filled.client)
    assert filled.escrow.balanceOf(filled.client) == IN_BALANCE - terms.amount
    assert filled.usdc.balanceOf(filled.client) == wallet
    (spent,) = filled.escrow.BalanceSpent.from_receipt(receipt)
    assert (spent.account, bytes(spent.id), spent.amount) == (terms.client, filled.id_of(terms), terms.amount)
    assert len(list(filled.escrow.EscrowFunded.from_receipt(receipt))) == 1


@pytest.mark.parametrize("road", ["fundFromBalance", "fundFromBalanceWithSignature"])
def test_fund_from_balance__reverts_a_unit_above_the_balance(filled, road):
    assert ask(filled, road, filled.terms(amount=IN_BALANCE)) == ""
    assert ask(filled, road, filled.terms(amount=IN_BALANCE + 1)) == "Ledger_InsufficientBalance"


def test_fund_from_balance__spends_fees_that_wait(filled):
    deal = filled.submitted(amount=100 * USDC)
    filled.escrow.release(deal.tuple(), deal.amount, sender=filled.client)
    fees = filled.escrow.balanceOf(filled.treasury)
    assert fees == 2_500_000
    terms = filled.terms(client=filled.treasury.address, amount=fees - 1)
    filled.escrow.fundFromBalance(terms.tuple(), sender=filled.treasury)
    assert filled.escrow.balanceOf(filled.treasury) == 1


def authorized(world: World, terms: Terms, until: int = FOREVER) -> tuple[int, bytes]:
    """The client's ERC-3009 authorization for exactly this escrow."""
    return until, world.authorization(world.client, world.escrow, terms.amount, world.id_of(terms), until)


def relay(world: World, terms: Terms, pay: tuple[int, bytes], acceptance: Any = NO_ACCEPTANCE, **asked: Any) -> str:
    """What a relayer of the client's authorization meets."""
    call = (world.escrow.fundWithAuthorization, terms.tuple(), *pay, acceptance)
    return refusal(world, *call, sender=world.stranger, **asked)


def test_fund_with_authorization__counts_to_the_second_before(filled):
    terms = filled.terms()
    until = filled.now() + 60
    assert relay(filled, terms, authorized(filled, terms, until), at=until - 1) == ""
    assert relay(filled, terms, authorized(filled, terms, until), at=until) == "AuthorizationExpired"


def test_fund_with_authorization__is_for_one_escrow_at_one_contract(filled):
    terms = filled.terms()
    message = {
        "from": terms.client,
        "to": filled.escrow.address,
        "value": terms.amount,
        "validAfter": 0,
        "validBefore": FOREVER,
        "nonce": filled.id_of(terms),
    }
    domain = filled.domain("USD Coin", "2", filled.usdc)
    wrong = forged(filled.client, (filled.provider, filled.stranger), domain, "ReceiveWithAuthorization", message)
    refused = {what: relay(filled, terms, (FOREVER, signature)) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "InvalidSignature")


def test_fund_with_authorization__takes_an_acceptance_to_its_last_second_or_nothing(filled):
    terms = filled.terms()
    until = filled.now() + 60
    pay, acceptance = authorized(filled, terms), filled.acceptance(terms, until)
    assert relay(filled, terms, pay, acceptance, at=until) == ""
    assert relay(filled, terms, pay, acceptance, at=until + 1) == "Escrow_SignatureExpired"
    by_client = filled.sign_escrow(filled.client, "Acceptance", escrowId=filled.id_of(terms), validUntil=until)
    assert relay(filled, terms, pay, (until, by_client)) == "Escrow_InvalidSignature"
    assert relay(filled, terms, pay, filled.acceptance(filled.terms(salt=2))) == "Escrow_InvalidSignature"
    dear = filled.terms(amount=5_001 * USDC)
    assert relay(filled, dear, authorized(filled, dear), filled.acceptance(dear)) == "Stake_Insufficient"
    assert relay(filled, dear, authorized(filled, dear)) == ""


def test_fund_with_authorization__funds_accepts_and_tells_both(filled):
    terms = filled.terms()
    wallet = filled.usdc.balanceOf(filled.client)
    receipt = filled.fund_signed(terms, filled.acceptance(terms))
    assert filled.usdc.balanceOf(filled.client) == wallet - terms.amount
    assert filled.status(terms) == ACCEPTED
    for event in (filled.escrow.EscrowFunded, filled.escrow.EscrowAccepted):
        assert [bytes(log.id) for log in event.from_receipt(receipt)] == [filled.id_of(terms)]
    assert filled.usdc.authorizationState(filled.client, filled.id_of(terms))
