"""What a lying service could answer, and that nothing gets signed for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aicp.client import models
from aicp.client.chain import chain_of, read_deployment
from aicp.client.errors import ClientError, Mismatch, TermsRefused
from aicp.client.service import Network
from aicp.client.verify import (
    agreed_terms,
    check_acceptance,
    check_bid,
    check_deal,
    check_escrow,
    check_order,
    check_receipt,
)
from aicp.rules.primitives import checksum, hex0x, keccak
from tests.unit.sdk.builders import AGENT, FILE, NOW, OPERATOR, address, chain, deal, key, network_json, receipt_json

FIXTURES = Path(__file__).parent
MALLORY = checksum(address("mallory"))
WORD = hex0x(keccak(b"another"))


def test_an_honest_deal_passes() -> None:
    escrow = deal("escrow")
    terms = agreed_terms(escrow, chain(), now=NOW)
    assert check_acceptance(escrow, terms, chain()) == NOW + 800
    order = check_order(deal("channel", 400_000), chain())
    assert order.price == 400_000


@pytest.mark.parametrize(
    "change",
    [
        {"price_units": "25000001"},
        {"agent": MALLORY},
        {"buyer": MALLORY},
        {"task_hash": WORD},
        {"document__budget_units": "26000000"},
        {"document__title": "Something else"},
        {"bid__amount_units": "24000000"},
        {"bid__bid_hash": WORD},
        {"bid__eta_seconds": 60},
        {"bid__seq": 2},
        {"bid__operator": MALLORY},
        {"award__bids_root": WORD},
        {"award__bid_count": 2},
        {"award__operator": MALLORY},
        {"input_files": []},
        {"input_files": [FILE.to_json() | {"sha256": WORD}]},
    ],
)
def test_a_changed_deal_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Mismatch, match="Nothing was signed"):
        check_deal(deal("escrow", **change), chain())


@pytest.mark.parametrize(
    "change",
    [
        {"escrow__escrow_id": WORD},
        {"escrow__terms__amount_units": "26000000"},
        {"escrow__terms__client": MALLORY},
        {"escrow__terms__provider": MALLORY},
        {"escrow__terms__arbiter": MALLORY},
        {"escrow__terms__job_hash": WORD},
        {"escrow__terms__salt": WORD},
        {"escrow": None},
    ],
)
def test_changed_terms_do_not_match_their_id(change: dict[str, Any]) -> None:
    with pytest.raises(Mismatch, match="Nothing was signed"):
        check_escrow(deal("escrow", **change), chain())


def consistent(**terms: Any) -> models.Deal:
    """Return a deal whose escrow id belongs to the changed terms, as a service in bad faith would answer."""
    from aicp.client.verify import terms_message
    from aicp.rules.ids import escrow_id

    changed = deal("escrow", **{f"escrow__terms__{name}": value for name, value in terms.items()})
    assert changed.escrow is not None
    found = escrow_id(terms_message(changed.escrow.terms), chain().escrow)
    return changed.model_copy(update={"escrow": changed.escrow.model_copy(update={"escrow_id": found})})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"arbiter": MALLORY}, "arbiter_unknown"),
        ({"verifier": checksum(OPERATOR.address)}, "verifier_differs"),
        ({"fee_bps": 500}, "fee_differs"),
        ({"challenge_period": 1}, "challenge_period"),
        ({"deliver_by": NOW + 1000}, "deliver_window"),
        ({"quorum": 1}, "quorum_differs"),
    ],
)
def test_consistent_terms_that_were_not_agreed_are_refused_by_policy(change: dict[str, Any], code: str) -> None:
    with pytest.raises(TermsRefused) as caught:
        agreed_terms(consistent(**change), chain(), now=NOW)
    assert code in caught.value.codes


def test_terms_are_refused_once_their_time_has_passed() -> None:
    with pytest.raises(TermsRefused):
        agreed_terms(deal("escrow"), chain(), now=NOW + 900)


def test_a_foreign_acceptance_is_refused() -> None:
    escrow = deal("escrow")
    assert escrow.escrow is not None
    terms = check_escrow(escrow, chain())
    forged = escrow.escrow.model_copy(update={"acceptance_valid_until": NOW + 801})
    with pytest.raises(Mismatch, match="not the agent's"):
        check_acceptance(escrow.model_copy(update={"escrow": forged}), terms, chain())


@pytest.mark.parametrize(
    "change",
    [
        {"channel__order__payer_authorizer": checksum(OPERATOR.address)},
        {"channel__order__channel_id": WORD},
        {"channel__order__price_units": "1"},
        {"channel__order__bid_hash": WORD},
        {"channel__order__deliver_by": NOW + 1},
        {"channel__order": None},
    ],
)
def test_a_changed_order_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Mismatch, match="Nothing was signed"):
        check_order(deal("channel", 400_000, **change), chain())


def test_a_bid_signed_by_another_key_is_refused() -> None:
    found = deal("escrow").bid
    forged = found.model_copy(update={"signature": key("mallory").sign_digest(found.bid_hash)})
    with pytest.raises(Mismatch, match="not signed by its agent"):
        check_bid(forged, deal("escrow").task_hash, chain())


def test_an_honest_receipt_passes() -> None:
    check_receipt(models.Receipt.read(receipt_json()), AGENT.address, chain())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"total_claimed_units": "400001"}, "exceeds"),
        ({"total_claimed_units": "300000"}, "operator"),
        ({"max_claimable_units": "900000"}, "session key"),
        ({"channel_id": WORD}, "config"),
        ({"operator_signature": "0x" + "11" * 65}, "operator"),
        ({"voucher_signature": "0x"}, "session key"),
    ],
)
def test_a_receipt_that_could_not_be_claimed_is_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(Mismatch, match=word):
        check_receipt(models.Receipt.read(receipt_json(**change)), AGENT.address, chain())


def test_a_receipt_for_somebody_else_is_refused() -> None:
    with pytest.raises(Mismatch, match="somebody else"):
        check_receipt(models.Receipt.read(receipt_json()), address("mallory"), chain())


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("constants", "fee_bps", 500),
        ("constants", "challenge_period_seconds", 1),
        ("constants", "threshold_units", "1"),
        ("constants", "marketplace_salt", WORD),
        ("token", "name", "USD Coin 2"),
    ],
)
def test_a_service_that_departs_from_the_published_rules_is_refused(section: str, name: str, value: Any) -> None:
    changed = network_json()
    changed[section][name] = value
    with pytest.raises(Mismatch):
        chain_of(Network.read(changed))


def test_on_a_public_network_usdc_is_usdc() -> None:
    changed = network_json() | {"chain_id": 137, "constants": {}}
    with pytest.raises(Mismatch, match="as USDC"):
        chain_of(Network.read(changed))


def test_unknown_chains_and_retired_operators_are_refused() -> None:
    with pytest.raises(ClientError, match="no published rules"):
        chain_of(Network.read(network_json() | {"chain_id": 5}))
    changed = network_json()
    changed["operators"][0]["until"] = "2026-01-01T00:00:00Z"
    with pytest.raises(ClientError, match="operator"):
        chain_of(Network.read(changed))


def test_a_deployment_file_pins_the_contracts(tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    named = network_json()["contracts"]
    contracts = {
        "escrow": named["escrow"],
        "paymentChannel": named["payment_channel"],
        "reputation": named["reputation"],
        "usdc": named["usdc"],
        "erc3009Collector": named["erc3009_collector"],
        "arbiter": named["arbiter"],
    }
    published = json.loads((FIXTURES / "deployment.json").read_text(encoding="utf-8"))
    published["operators"][0]["address"] = checksum(OPERATOR.address)
    path.write_text(json.dumps(published | {"contracts": contracts}), encoding="utf-8")
    chain_of(Network.read(network_json()), read_deployment(path))
    path.write_text(json.dumps(published | {"contracts": contracts | {"escrow": MALLORY}}), encoding="utf-8")
    with pytest.raises(Mismatch, match="as escrow"):
        chain_of(Network.read(network_json()), read_deployment(path))
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ClientError, match="deployment file"):
        read_deployment(path)


def test_an_answer_of_another_shape_is_no_default() -> None:
    with pytest.raises(Mismatch, match="Deal"):
        models.Deal.read({})
    with pytest.raises(Mismatch, match="price_units"):
        deal("escrow", price_units=25.0)
