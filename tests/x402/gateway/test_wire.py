"""Whatever arrives is a message or a typed refusal: headers, bodies, extensions."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from x402.http.utils import decode_payment_required_header, encode_payment_signature_header
from x402.schemas import PaymentPayload

from backend.x402 import wire
from backend.x402.reasons import PaymentMalformed, Refused
from tests.x402.gateway.hand import Hand, read, written
from tests.x402.gateway.lab import PRICE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = ("type", "channelConfig", "voucher", "deposit", "amount", "claims", "receiver", "token", "authorization",
           "signature", "refundNonce")  # fmt: skip
PAYLOADS = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6) | st.builds(
    lambda kind, rest: rest | {"type": kind},
    st.sampled_from(["voucher", "deposit", "refund", "claim", "settle"]),
    st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6),
)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_header_is_a_payment_or_malformed(value):
    with pytest.raises(PaymentMalformed):
        wire.read_payment(value)


@given(JSON)
def test_any_json_is_a_payment_or_malformed(document):
    header = base64.b64encode(json.dumps(document).encode()).decode()
    with pytest.raises(PaymentMalformed):
        wire.read_payment(header)


@given(PAYLOADS)
def test_any_payload_is_typed_or_refused(payload):
    for reading in (wire.read_channel_payload, wire.read_exact_payload):
        with pytest.raises(Refused) as refused:
            reading(payload)
        assert refused.value.reason in {"invalid_payload", "invalid_batch_settlement_evm_payload_type"}


def test_json_nested_without_end_is_malformed():
    header = base64.b64encode(b"[" * 40_000).decode()
    with pytest.raises(PaymentMalformed):
        wire.read_payment(header)


def test_our_offer_reads_as_the_official_packages_read_it_and_their_payment_reads_here(lab):
    url, hand = lab.endpoint("wire"), Hand(lab, lab.buyer(1))
    required = decode_payment_required_header(httpx.get(url).headers["PAYMENT-REQUIRED"])
    assert [way.scheme for way in required.accepts] == ["batch-settlement", "exact"]
    assert required.resource is not None
    assert required.resource.url == url
    theirs = PaymentPayload(accepted=required.accepts[0], payload=hand.voucher(PRICE), resource=required.resource)
    payment = wire.read_payment(encode_payment_signature_header(theirs))
    assert payment.accepted.amount == PRICE
    assert payment.accepted.extra == required.accepts[0].extra
    typed = wire.read_channel_payload(payment.payload)
    assert typed.type == "voucher"
    assert wire.config_of(typed.channel_config) == hand.config


BROKEN = {
    "no base64": lambda document: "***",
    "no json": lambda document: base64.b64encode(b"{").decode(),
    "a list": lambda document: written([]),
    "version 1": lambda document: written(document | {"x402Version": 1}),
    "no payload": lambda document: written({k: v for k, v in document.items() if k != "payload"}),
    "no accepted": lambda document: written({k: v for k, v in document.items() if k != "accepted"}),
    "amount a number": lambda document: written(document | {"accepted": document["accepted"] | {"amount": 1.5}}),
    "amount negative": lambda document: written(document | {"accepted": document["accepted"] | {"amount": "-1"}}),
    "payTo short": lambda document: written(document | {"accepted": document["accepted"] | {"payTo": "0x12"}}),
    "too long": lambda document: written(document | {"padding": "x" * 70_000}),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_malformed_payment_is_400(lab, broken):
    url, hand = lab.endpoint("malformed"), Hand(lab, lab.buyer(1))
    accepted = read(httpx.get(url))["accepts"][0]
    document = {"x402Version": 2, "accepted": accepted, "payload": hand.voucher(PRICE)}
    answer = httpx.get(url, headers={"PAYMENT-SIGNATURE": BROKEN[broken](document)})
    if broken == "too long":
        assert answer.status_code in {400, 431}
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "payment_malformed")


CHANGES = [
    ("voucher", "maxClaimableAmount", 5),
    ("voucher", "maxClaimableAmount", "1e3"),
    ("voucher", "maxClaimableAmount", "9" * 70),
    ("voucher", "maxClaimableAmount", str(2**128)),
    ("voucher", "signature", "0x"),
    ("voucher", "signature", "0x" + "00" * 65),
    ("voucher", "signature", "0x" + "ff" * 9000),
    ("voucher", "signature", "hello"),
    ("voucher", "channelId", "0x12"),
    ("channelConfig", "payer", "0x12"),
    ("channelConfig", "payer", "0x" + "aa" * 19 + "  "),
    ("channelConfig", "payerAuthorizer", "0x" + "00" * 20),
    ("channelConfig", "salt", "0x12"),
    ("channelConfig", "withdrawDelay", -1),
    ("channelConfig", "withdrawDelay", 2**41),
    ("channelConfig", "withdrawDelay", "900"),
    ("channelConfig", "receiverAuthorizer", "0x" + "00" * 20),
    ("channelConfig", "token", "0x" + "11" * 20),
]


@pytest.mark.parametrize(("part", "name", "value"), CHANGES)
def test_a_payload_with_a_wrong_part_is_402_with_a_reason(lab, part, name, value):
    url, hand = lab.endpoint("wrong-part"), Hand(lab, lab.buyer(1))
    payload = hand.voucher(PRICE)
    payload[part] = payload[part] | {name: value}
    answer = hand.pay(url, payload)
    assert answer.status_code == 402, answer.text
    assert read(answer)["error"].startswith("invalid_")
    assert lab.channels(hand.account.address) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=PAYLOADS)
def test_no_payload_is_a_server_error(lab, payload):
    url = lab.endpoint("fuzzed")
    accepted = read(httpx.get(url))["accepts"][0]
    document = {"x402Version": 2, "accepted": accepted, "payload": payload}
    assert httpx.get(url, headers={"PAYMENT-SIGNATURE": written(document)}).status_code == 402
    body = {"x402Version": 2, "paymentPayload": document, "paymentRequirements": accepted}
    for what, told in (("verify", "isValid"), ("settle", "success")):
        answer = httpx.post(f"{lab.url}/x402/{what}", json=body)
        assert answer.status_code == 200
        assert answer.json()[told] is False


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"paymentPayload": {}}', b"\xff"])
def test_a_malformed_body_is_422(lab, body):
    for what in ("verify", "settle"):
        answer = httpx.post(f"{lab.url}/x402/{what}", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
