"""What could lose money at the gateway: repeats, other paths, failing agents, crashes, two requests at once."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from eth_account import Account
from msgspec import structs

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.signing import sign
from aicp.abi.typed_data import Voucher
from aicp.rules.deployment import OperatorEpoch
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x
from backend.context import OperatorSigner
from backend.db.times import moment
from backend.payments import charges
from backend.worker import sweeps
from tests.x402.gateway.hand import Hand, read, written
from tests.x402.gateway.lab import PRICE, Lab, until

MISMATCH = "invalid_batch_settlement_evm_cumulative_amount_mismatch"


def with_pool(lab: Lab, units: int = 1_000_000) -> Hand:
    """Return a payer whose pool, keyed by its own wallet, holds so much in a final block."""
    hand = Hand(lab, lab.buyer())
    channel, operator = lab.ctx.deployment.payment_channel, lab.ctx.operator.address
    lab.world.chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", hand.account.address)
    lab.world.send(hand.address, lab.ctx.deployment.usdc, usdc_abi.encode_approve(channel, 2**255))
    lab.world.send(hand.address, channel, channel_abi.encode_deposit_pool(hand.address, operator, units))
    lab.world.chain.mine(4)
    lab.world.mirror()
    return hand


def charged(lab: Lab, hand: Hand) -> tuple[int, int]:
    """Return earned and in flight of the payer's channels."""
    rows = lab.channels(hand.account.address)
    return sum(int(row.earned_units) for row in rows), sum(int(row.in_flight_units) for row in rows)


def test_a_request_without_payment_gets_both_offers_and_costs_the_agent_nothing(lab):
    url = lab.endpoint("offers")
    asked = len(lab.upstream.calls)
    answer = httpx.get(url)
    assert answer.status_code == 402
    required = read(answer)
    assert [way["scheme"] for way in required["accepts"]] == ["batch-settlement", "exact"]
    assert {way["amount"] for way in required["accepts"]} == {str(PRICE)}
    assert required["resource"]["url"] == url
    assert "payment-identifier" in required["extensions"]
    assert len(lab.upstream.calls) == asked


def test_a_voucher_pays_once_and_its_repeat_gets_the_same_answer(lab):
    hand, url = with_pool(lab), lab.endpoint("once")
    first = hand.pay(url, hand.voucher(PRICE))
    assert first.status_code == 200, first.text
    asked = len(lab.upstream.calls)
    again = hand.pay(url, hand.voucher(PRICE))
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["PAYMENT-RESPONSE"] == first.headers["PAYMENT-RESPONSE"]
    assert len(lab.upstream.calls) == asked
    assert charged(lab, hand) == (PRICE, 0)
    settled = read(first, "PAYMENT-RESPONSE")
    assert settled["success"] is True
    assert settled["extra"]["chargedAmount"] == str(PRICE)
    assert settled["extra"]["channelState"]["chargedCumulativeAmount"] == str(PRICE)
    lab.balanced()


@pytest.mark.parametrize("other", ["path", "query", "body"])
def test_a_voucher_that_has_paid_buys_nothing_else(lab, other):
    hand, url = with_pool(lab), lab.endpoint("first-buy")
    assert hand.pay(url, hand.voucher(PRICE), method="POST", body=b"one").status_code == 200
    asked = len(lab.upstream.calls)
    second = lab.endpoint("second-buy")
    target, body = {"path": (second, b"one"), "query": (url + "?n=2", b"one"), "body": (url, b"two")}[other]
    answer = hand.pay(target, hand.voucher(PRICE), method="POST", body=body)
    assert answer.status_code == 402
    required = read(answer)
    assert required["error"] == MISMATCH
    extra = required["accepts"][0]["extra"]
    assert extra["channelState"]["chargedCumulativeAmount"] == str(PRICE)
    assert extra["voucherState"]["signedMaxClaimable"] == str(PRICE)
    assert extra["voucherState"]["signature"] == hand.voucher(PRICE)["voucher"]["signature"]
    assert len(lab.upstream.calls) == asked
    assert charged(lab, hand) == (PRICE, 0)
    assert hand.pay(target, hand.voucher(2 * PRICE), method="POST", body=body).status_code == 200
    assert charged(lab, hand) == (2 * PRICE, 0)


@pytest.mark.parametrize("ceiling", [PRICE - 1, PRICE + 1, 10 * PRICE])
def test_a_voucher_pays_exactly_the_price_above_what_was_earned(lab, ceiling):
    hand, url = with_pool(lab), lab.endpoint("exactly")
    answer = hand.pay(url, hand.voucher(ceiling))
    assert (answer.status_code, read(answer)["error"]) == (402, MISMATCH)
    assert charged(lab, hand) == (0, 0)


@pytest.mark.parametrize("path", ["/answer", "/moved", "/huge"])
def test_an_agent_that_fails_is_not_paid_and_the_voucher_is_good_for_the_next_try(lab, path):
    hand, url = with_pool(lab), lab.endpoint("failing", path)
    lab.upstream.status = 500 if path == "/answer" else 200
    try:
        answer = hand.pay(url, hand.voucher(PRICE))
    finally:
        lab.upstream.status = 200
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")
    assert charged(lab, hand) == (0, 0)
    lab.endpoint("failing", "/answer")
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert charged(lab, hand) == (PRICE, 0)
    lab.balanced()


def test_what_the_agent_refuses_is_passed_on_and_costs_nothing(lab):
    hand, url = with_pool(lab), lab.endpoint("refusing")
    lab.upstream.status = 404
    try:
        answer = hand.pay(url, hand.voucher(PRICE))
    finally:
        lab.upstream.status = 200
    assert answer.status_code == 404
    assert "PAYMENT-RESPONSE" not in answer.headers
    assert charged(lab, hand) == (0, 0)


def test_the_agents_answer_cannot_run_in_our_origin(lab):
    hand, url = with_pool(lab), lab.endpoint("safe")
    answer = hand.pay(url, hand.voucher(PRICE))
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert lab.upstream.calls[-1]["x-payer"] == hand.account.address
    assert "payment-signature" not in lab.upstream.calls[-1]


def test_two_requests_of_one_channel_at_once_are_charged_once_or_in_turn(lab):
    hand, url = with_pool(lab), lab.endpoint("slow", "/slow")
    lab.upstream.gate.clear()
    asked = len(lab.upstream.calls)
    answers: list[httpx.Response] = []
    headers = {"PAYMENT-SIGNATURE": hand.header(url, hand.voucher(PRICE))}

    def ask(target: str) -> None:
        answers.append(httpx.get(target, headers=headers, timeout=30))

    threads = [threading.Thread(target=ask, args=(target,)) for target in (url, url, url + "?other=1")]
    threads[0].start()
    until(lambda: len(lab.upstream.calls) == asked + 1, "the agent is asked")
    for thread in threads[1:]:
        thread.start()
    assert charged(lab, hand) == (0, PRICE)
    lab.upstream.gate.set()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 402]
    same = [answer.content for answer in answers if answer.status_code == 200]
    assert same[0] == same[1]
    assert len(lab.upstream.calls) == asked + 1
    assert charged(lab, hand) == (PRICE, 0)
    refused = next(answer for answer in answers if answer.status_code == 402)
    assert read(refused)["accepts"][0]["extra"]["channelState"]["chargedCumulativeAmount"] == str(PRICE)
    lab.balanced()


def test_a_crash_between_reserve_and_answer_is_voided_by_the_sweep_in_time(lab, monkeypatch):
    hand, url = with_pool(lab), lab.endpoint("crash", "/slow")
    lab.upstream.gate.clear()
    asked = len(lab.upstream.calls)
    headers = {"PAYMENT-SIGNATURE": hand.header(url, hand.voucher(PRICE))}
    thread = threading.Thread(target=lambda: httpx.get(url, headers=headers, timeout=60))
    thread.start()
    until(lambda: len(lab.upstream.calls) == asked + 1, "the agent is asked")
    # the answer never comes back to the database: as if the process had died
    with monkeypatch.context() as patch:
        patch.setattr(charges, "earn", lambda *_: (_ for _ in ()).throw(SystemError("died")))
        lab.upstream.gate.set()
        thread.join(30)
    assert charged(lab, hand) == (0, PRICE)
    longest = int(lab.ctx.settings.gateway_timeout_seconds) + 15
    lab.world.clock.added += longest - 40
    sweeps.keep(lab.world.machine)
    assert charged(lab, hand) == (0, PRICE)
    lab.world.clock.added += 41
    sweeps.keep(lab.world.machine)
    assert charged(lab, hand) == (0, 0)
    lab.balanced()
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert charged(lab, hand) == (PRICE, 0)
    lab.balanced()


def test_a_charge_left_behind_does_not_block_its_channel_when_no_sweep_runs(lab):
    hand, url = with_pool(lab), lab.endpoint("left-behind")
    ends = lab.ctx.now() - 1
    voucher = hand.voucher(PRICE)["voucher"]
    asked = charges.Asked(
        config=hand.config, ceiling_units=PRICE, signature=bytes.fromhex(voucher["signature"][2:]),
        price_units=PRICE, ends_at=moment(ends),
    )  # fmt: skip
    lab.world.write(lambda s: charges.reserve(s, lab.ctx, asked))
    assert charged(lab, hand) == (0, PRICE)
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert charged(lab, hand) == (PRICE, 0)
    lab.balanced()


def test_an_identifier_pays_once_whatever_voucher_comes_with_it(lab):
    hand, url = with_pool(lab), lab.endpoint("named")
    name = f"order_{uuid.uuid4().hex}"
    first = hand.pay(url, hand.voucher(PRICE), extensions=hand.named(name))
    assert first.status_code == 200
    again = hand.pay(url, hand.voucher(2 * PRICE), extensions=hand.named(name))
    assert (again.status_code, again.content) == (200, first.content)
    assert charged(lab, hand) == (PRICE, 0)
    other = hand.pay(url + "?n=2", hand.voucher(2 * PRICE), extensions=hand.named(name))
    assert (other.status_code, other.json()["code"]) == (409, "payment_identifier_used")
    assert charged(lab, hand) == (PRICE, 0)


def test_an_identifier_of_somebody_else_gives_nothing_away(lab):
    hand, other, url = with_pool(lab), with_pool(lab), lab.endpoint("mine")
    name = f"order_{uuid.uuid4().hex}"
    first = hand.pay(url, hand.voucher(PRICE), extensions=hand.named(name))
    theirs = other.pay(url, other.voucher(PRICE), extensions=other.named(name))
    assert theirs.status_code == 200
    assert theirs.content != first.content
    assert charged(lab, other) == (PRICE, 0)


def test_an_identifier_opens_nothing_for_who_only_names_its_payer(lab):
    """Anybody can put another's address as payer beside a key of his own: the channel's id is right, and empty."""
    hand, url, thief = with_pool(lab), lab.endpoint("stolen"), Account.create()
    name = f"order_{uuid.uuid4().hex}"
    first = hand.pay(url, hand.voucher(PRICE), extensions=hand.named(name))
    assert first.status_code == 200
    config = structs.replace(
        hand.config, payer_authorizer=bytes.fromhex(thief.address[2:]), salt=secrets.token_bytes(32)
    )
    channel = channel_id(config, lab.ctx.domains.channel)
    message = Voucher(channel_id=channel, max_claimable_amount=PRICE)
    payload = hand.voucher(PRICE)
    payload["channelConfig"] |= {"payerAuthorizer": thief.address, "salt": hex0x(config.salt)}
    payload["voucher"] = {
        "channelId": hex0x(channel), "maxClaimableAmount": str(PRICE),
        "signature": hex0x(sign(message.digest(lab.ctx.domains.channel), bytes(thief.key))),
    }  # fmt: skip
    stolen = hand.pay(url, payload, extensions=hand.named(name))
    assert (stolen.status_code, stolen.json()["code"]) == (409, "payment_identifier_used")
    # the same wallet by its own key, whichever way it pays
    again = hand.pay(url, hand.transfer(PRICE), "exact", extensions=hand.named(name))
    assert (again.status_code, again.content) == (200, first.content)


def test_a_pool_promises_no_more_than_it_holds_whatever_the_channel(lab):
    hand, url = with_pool(lab, 2 * PRICE), lab.endpoint("bounded")
    second = Hand(lab, hand.account)
    assert hand.pay(url, hand.voucher(PRICE)).status_code == 200
    assert second.pay(url, second.voucher(PRICE)).status_code == 200
    for buyer, ceiling in ((hand, 2 * PRICE), (second, 2 * PRICE), (Hand(lab, hand.account), PRICE)):
        answer = buyer.pay(url, buyer.voucher(ceiling))
        assert (answer.status_code, read(answer)["error"]) == (402, MISMATCH)
        assert read(answer)["accepts"][0]["extra"]["channelState"]["balance"] == str(ceiling - PRICE)
    assert charged(lab, hand) == (2 * PRICE, 0)


def test_a_pool_with_a_withdrawal_pending_pays_nothing_more(lab):
    hand, url = with_pool(lab), lab.endpoint("closing")
    operator = lab.ctx.operator.address
    call = channel_abi.encode_initiate_pool_withdraw(hand.address, operator, 1)
    lab.world.send(hand.address, lab.ctx.deployment.payment_channel, call)
    lab.world.mirror()
    answer = hand.pay(url, hand.voucher(PRICE))
    assert (answer.status_code, read(answer)["error"]) == (402, "pool_closing")
    assert charged(lab, hand) == (0, 0)


def test_a_voucher_of_another_key_or_for_other_requirements_is_refused(lab):
    hand, url = with_pool(lab), lab.endpoint("strict")
    thief = Hand(lab, lab.buyer(1))
    forged = hand.voucher(PRICE)
    message = {"signature": thief.voucher(PRICE)["voucher"]["signature"]}
    forged["voucher"] |= message
    answer = hand.pay(url, forged)
    assert (answer.status_code, read(answer)["error"]) == (402, "invalid_batch_settlement_evm_voucher_signature")
    required = read(httpx.get(url))
    cheap = required["accepts"][0] | {"amount": "1"}
    document = {"x402Version": 2, "accepted": cheap, "payload": hand.voucher(1)}
    answer = httpx.get(url, headers={"PAYMENT-SIGNATURE": written(document)})
    assert (answer.status_code, read(answer)["error"]) == (402, "invalid_payment_requirements")
    elsewhere = hand.voucher(PRICE)
    elsewhere["channelConfig"] |= {"receiver": hand.account.address}
    answer = hand.pay(url, elsewhere)
    assert (answer.status_code, read(answer)["error"]) == (402, "invalid_batch_settlement_evm_channel_id_mismatch")
    assert charged(lab, hand) == (0, 0)
    assert hex0x(hand.channel) not in {hex0x(row.channel_id) for row in lab.channels(hand.account.address)}


def test_a_withdrawal_from_a_channel_that_owes_is_told_and_claimed_at_once(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("leaving")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 10 * PRICE)).status_code == 200
    lab.world.chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", hand.account.address)
    call = channel_abi.encode_initiate_withdraw(hand.config, 10 * PRICE)
    lab.world.send(hand.address, lab.ctx.deployment.payment_channel, call)
    lab.world.mirror()
    told = "SELECT detail FROM app.alarm WHERE kind = 'withdrawal_unclaimed' AND subject = :s AND cleared_at IS NULL"
    sweeps.keep(lab.world.machine)
    [[detail]] = lab.world.sql(told, s=hex0x(hand.channel))
    assert "withdraws 0.01 USDC from the channel" in detail
    assert sweeps.settle(lab.world.machine) >= 1
    with lab.keep_up():
        until(lambda: lab.on_chain(hand.channel)[1] == PRICE, "it is claimed")
    lab.world.chain.mine(4)
    lab.world.mirror()
    sweeps.follow_ledger(lab.world.machine)
    sweeps.keep(lab.world.machine)
    assert not lab.world.sql(told, s=hex0x(hand.channel))


@contextmanager
def followed(lab: Lab, *, until_now: bool) -> Iterator[None]:
    """Let another operator follow the lab's, who serves beside it, or only until now."""
    ctx, new = lab.ctx, OperatorSigner.from_hex("0x" + secrets.token_hex(32))
    signers, deployment, now = ctx.signers, ctx.deployment, ctx.now()
    old = OperatorEpoch(
        address=ctx.operator.address, from_time=moment(0), until=moment(now) if until_now else None
    )  # fmt: skip
    epochs = (old, OperatorEpoch(address=new.address, from_time=moment(now), until=None))
    object.__setattr__(ctx, "signers", (new, *signers))
    object.__setattr__(ctx, "deployment", replace(deployment, operators=epochs))
    try:
        yield
    finally:
        object.__setattr__(ctx, "signers", signers)
        object.__setattr__(ctx, "deployment", deployment)


def test_a_channel_of_an_earlier_operator_pays_while_he_serves_and_refunds_ever_after(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("followed")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 10 * PRICE)).status_code == 200
        second, third = hand.voucher(2 * PRICE), hand.voucher(3 * PRICE)
        back, channel = hand.voucher(2 * PRICE, type="refund"), hand.channel
        earlier = checksum(lab.ctx.operator.address)
        with followed(lab, until_now=False):
            assert read(httpx.get(url))["accepts"][0]["extra"]["receiverAuthorizer"] != earlier
            assert hand.pay(url, second).status_code == 200
        with followed(lab, until_now=True):
            refused = hand.pay(url, third)
            assert (refused.status_code, read(refused)["error"]) == (402, "operator_retired")
            answer = hand.pay(url, back)
            assert answer.status_code == 200, answer.text
        assert lab.on_chain(channel) == (2 * PRICE, 2 * PRICE)
