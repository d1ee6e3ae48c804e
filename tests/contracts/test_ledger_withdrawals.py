"""The balance an account has, and its three ways out, the same in all contracts that keep balances."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.court import LEAK, SALT
from tests.contracts.refusals import CONSENTING, REVERTING, refusal
from tests.contracts.signatures import compact, forged, malformed
from tests.contracts.world import FOREVER, ZERO, World, sign

DOMAINS = {"escrow": "AICP Escrow", "reputation": "AICP Reputation", "arbiter": "AICP Arbiter"}
WAYS = ("withdraw", "withdrawTo", "withdrawWithSignature")
BALANCE = LEAK
every_ledger = pytest.mark.parametrize("name", DOMAINS)


@pytest.fixture(scope="module")
def ledgers(world, court) -> dict[str, Any]:
    """The contracts that keep balances; the client has the same one in each."""
    terms = world.terms(amount=BALANCE)
    world.escrow.fund(terms.tuple(), sender=world.client)
    world.escrow.cancel(terms.tuple(), sender=world.client)
    # a tenth of a stake of a fifth is slashed when work is given back
    given_back = world.accepted(amount=50 * BALANCE)
    world.escrow.refundAndPay(given_back.tuple(), given_back.amount, sender=world.provider)
    dispute = court.panelled()
    leaker = court.panel(dispute)[0]
    court.commit(dispute, leaker, 1)
    court.arbiter.reportLeak(dispute, leaker, 1, SALT, sender=world.client)
    contracts = {"escrow": world.escrow, "reputation": world.reputation, "arbiter": court.arbiter}
    assert {contract.balanceOf(world.client) for contract in contracts.values()} == {BALANCE}
    return contracts


def message(world: World, amount: int = BALANCE, until: int = FOREVER) -> dict[str, Any]:
    """The client's wish to be paid at the verifier's address."""
    to = world.verifier.address
    return {"account": world.client.address, "to": to, "amount": amount, "nonce": 0, "validUntil": until}


def signed(world: World, name: str, contract: Any, **wish: Any) -> bytes:
    domain = world.domain(DOMAINS[name], "1", contract)
    return sign(world.client, domain, "Withdrawal", message(world, **wish))


def ask(world: World, contract: Any, way: str, amount: int, tail: tuple[Any, ...] = (), **asked: Any) -> str:
    """What the client, or with a signature a relayer, meets; the money goes to the verifier where it can."""
    if way == "withdraw":
        return refusal(world, contract.withdraw, amount, sender=world.client, **asked)
    if way == "withdrawTo":
        return refusal(world, contract.withdrawTo, world.verifier, amount, sender=world.client, **asked)
    call = (contract.withdrawWithSignature, world.client, world.verifier, amount, *tail)
    return refusal(world, *call, sender=world.stranger, **asked)


@every_ledger
def test_withdraw__pays_caller_or_other_account_and_tells(world, ledgers, name):
    contract = ledgers[name]
    for call, to, left in (
        ((contract.withdraw, 1), world.client, BALANCE - 1),
        ((contract.withdrawTo, world.verifier, BALANCE - 1), world.verifier, 0),
    ):
        before = world.usdc.balanceOf(to)
        amount = contract.balanceOf(world.client) - left
        receipt = call[0](*call[1:], sender=world.client)
        assert world.usdc.balanceOf(to) == before + amount
        assert contract.balanceOf(world.client) == left
        (paid,) = contract.Withdrawn.from_receipt(receipt)
        assert (paid.account, paid.to, paid.amount) == (world.client.address, to.address, amount)


@every_ledger
@pytest.mark.parametrize("way", WAYS)
def test_withdraw__takes_no_less_than_a_unit_and_no_more_than_there_is(world, ledgers, name, way):
    contract = ledgers[name]
    for amount, error in ((0, "Ledger_AmountZero"), (BALANCE + 1, "Ledger_InsufficientBalance"), (BALANCE, "")):
        tail = (FOREVER, signed(world, name, contract, amount=amount)) if way == "withdrawWithSignature" else ()
        assert ask(world, contract, way, amount, tail) == error
    assert refusal(world, contract.withdraw, 1, sender=world.verifier) == "Ledger_InsufficientBalance"


@every_ledger
def test_withdraw__never_pays_the_zero_address(world, ledgers, name):
    contract = ledgers[name]
    assert refusal(world, contract.withdrawTo, ZERO, 1, sender=world.client) == "Ledger_ZeroAddress"
    wish = message(world) | {"to": ZERO}
    signature = sign(world.client, world.domain(DOMAINS[name], "1", contract), "Withdrawal", wish)
    call = (contract.withdrawWithSignature, world.client, ZERO, BALANCE, FOREVER, signature)
    assert refusal(world, *call, sender=world.stranger) == "Ledger_ZeroAddress"


@every_ledger
def test_withdraw__loses_nothing_while_the_token_refuses(world, ledgers, name):
    contract = ledgers[name]
    tail = (FOREVER, signed(world, name, contract))
    answers = lambda: [ask(world, contract, way, BALANCE, tail) for way in WAYS]  # noqa: E731
    world.usdc.blacklist(world.client, sender=world.owner)
    assert answers() == ["TransferFailed", "", ""]
    world.usdc.blacklist(world.verifier, sender=world.owner)
    assert answers() == ["TransferFailed"] * 3
    world.usdc.unBlacklist(world.client, sender=world.owner)
    assert answers() == ["", "TransferFailed", "TransferFailed"]
    assert contract.balanceOf(world.client) == BALANCE


@every_ledger
def test_withdraw__goes_on_while_new_money_is_refused(world, ledgers, name):
    contract = ledgers[name]
    contract.pauseInflows(sender=world.guardian)
    tail = (FOREVER, signed(world, name, contract))
    assert {ask(world, contract, way, BALANCE, tail) for way in WAYS} == {""}


@every_ledger
def test_withdraw_with_signature__counts_to_its_last_second(world, ledgers, name):
    contract, until = ledgers[name], world.now() + 60
    signature = signed(world, name, contract, until=until)
    for form in (signature, compact(signature)):
        assert ask(world, contract, "withdrawWithSignature", BALANCE, (until, form), at=until) == ""
        late = ask(world, contract, "withdrawWithSignature", BALANCE, (until, form), at=until + 1)
        assert late == "Ledger_SignatureExpired"


@every_ledger
def test_withdraw_with_signature__pays_once_and_tells(world, ledgers, name):
    contract = ledgers[name]
    tail = (FOREVER, signed(world, name, contract, amount=1))
    before = world.usdc.balanceOf(world.verifier)
    call = (world.client, world.verifier, 1, *tail)
    receipt = contract.withdrawWithSignature(*call, sender=world.stranger)
    assert world.usdc.balanceOf(world.verifier) == before + 1
    (paid,) = contract.Withdrawn.from_receipt(receipt)
    assert (paid.account, paid.to, paid.amount) == (world.client.address, world.verifier.address, 1)
    assert contract.withdrawalNonce(world.client) == 1
    assert ask(world, contract, "withdrawWithSignature", 1, tail) == "Ledger_InvalidSignature"


@every_ledger
def test_withdraw_with_signature__of_another_key_place_or_message_is_refused(world, ledgers, name):
    contract = ledgers[name]
    domain = world.domain(DOMAINS[name], "1", contract)
    wrong = forged(world.client, (world.provider, world.verifier), domain, "Withdrawal", message(world))
    for other in DOMAINS.keys() - {name}:
        wrong[f"at {other}"] = signed(world, other, ledgers[other])
    refused = {
        what: ask(world, contract, "withdrawWithSignature", BALANCE, (FOREVER, signature))
        for what, signature in wrong.items()
    }
    assert refused == dict.fromkeys(wrong, "Ledger_InvalidSignature")


@every_ledger
def test_withdraw_with_signature__of_an_account_with_code(world, ledgers, name):
    contract = ledgers[name]

    def with_code(signature: bytes, code: str) -> str:
        tail = (FOREVER, signature)
        replaced = {world.client.address: code}
        return ask(world, contract, "withdrawWithSignature", BALANCE, tail, code=replaced)

    own = signed(world, name, contract)
    assert with_code(b"whatever it likes", CONSENTING) == ""
    assert with_code(own, REVERTING) == ""
    assert {with_code(spoilt, REVERTING) for spoilt in malformed(own).values()} == {"Ledger_InvalidSignature"}
