"""`payment-identifier` and `sign-in-with-x`, by the official packages' own client halves."""

from __future__ import annotations

import asyncio
import copy

import httpx
import pytest
from eth_account import Account
from x402.extensions.payment_identifier import append_payment_identifier_to_extensions
from x402.extensions.sign_in_with_x.client import create_siwx_payload
from x402.extensions.sign_in_with_x.encode import encode_siwx_header

from tests.x402.gateway.hand import read, written
from tests.x402.gateway.lab import PRICE, Lab
from tests.x402.gateway.test_money import charged, with_pool

WEEK = 7 * 86_400


def test_an_endpoint_may_want_an_identifier(lab):
    hand, url = with_pool(lab), lab.endpoint("identified", payment_id_required=True)
    answer = hand.pay(url, hand.voucher(PRICE))
    assert (answer.status_code, answer.json()["code"]) == (400, "payment_identifier_required")
    required = read(httpx.get(url))
    extensions = append_payment_identifier_to_extensions(
        copy.deepcopy(required["extensions"]), "order-0123456789abcdef"
    )
    assert extensions["payment-identifier"]["info"] == {"required": True, "id": "order-0123456789abcdef"}
    assert hand.pay(url, hand.voucher(PRICE), extensions=extensions).status_code == 200
    assert charged(lab, hand) == (PRICE, 0)


@pytest.mark.parametrize("name", ["short", "x" * 129, "with space in it!", 12345678901234567, ["x" * 20]])
def test_an_identifier_of_another_shape_is_malformed(lab, name):
    hand, url = with_pool(lab), lab.endpoint("shaped")
    answer = hand.pay(url, hand.voucher(PRICE), extensions=hand.named(name))
    assert (answer.status_code, answer.json()["code"]) == (400, "payment_malformed")
    assert charged(lab, hand) == (0, 0)


def sign_in(url: str, account, **changes) -> str:
    """Return the official client's SIGN-IN-WITH-X for an offer."""
    extension = read(httpx.get(url))["extensions"]["sign-in-with-x"]
    info = extension["info"] | extension["supportedChains"][0] | changes
    return encode_siwx_header(asyncio.run(create_siwx_payload(info, account, url)))


def come_again(lab: Lab, url: str, header: str) -> httpx.Response:
    return httpx.get(url, headers={"SIGN-IN-WITH-X": header})


def test_who_has_paid_comes_again_by_signing_in_and_nobody_else(lab):
    hand, url = with_pool(lab), lab.endpoint("again", free_again_seconds=WEEK)
    assert come_again(lab, url, sign_in(url, hand.account)).status_code == 402
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    header = sign_in(url, hand.account)
    answer = come_again(lab, url, header)
    assert answer.status_code == 200, answer.text
    assert charged(lab, hand) == (PRICE, 0)
    # the same signature opens nothing twice
    assert come_again(lab, url, header).status_code == 402
    assert come_again(lab, url, sign_in(url, Account.create())).status_code == 402
    lab.world.clock.added += WEEK
    assert come_again(lab, url, sign_in(url, hand.account)).status_code == 402
    lab.world.clock.added -= WEEK


def test_a_sign_in_for_another_endpoint_or_of_another_time_opens_nothing(lab):
    hand = with_pool(lab)
    url, other = (lab.endpoint(name, free_again_seconds=WEEK) for name in ("here", "there"))
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert come_again(lab, url, sign_in(other, hand.account)).status_code == 402
    assert come_again(lab, url, sign_in(url, hand.account, nonce="0" * 58)).status_code == 402
    late = sign_in(url, hand.account)
    lab.world.clock.added += 301
    assert come_again(lab, url, late).status_code == 402
    lab.world.clock.added -= 301
    assert come_again(lab, url, sign_in(url, hand.account)).status_code == 200


def test_without_the_option_no_sign_in_is_offered(lab):
    url = lab.endpoint("never-again")
    assert "sign-in-with-x" not in read(httpx.get(url))["extensions"]


@pytest.mark.parametrize("header", ["***", written([]), written({}), written({"domain": 1})])
def test_a_malformed_sign_in_is_400(lab, header):
    url = lab.endpoint("again", free_again_seconds=WEEK)
    answer = come_again(lab, url, header)
    assert (answer.status_code, answer.json()["code"]) == (400, "payment_malformed")
