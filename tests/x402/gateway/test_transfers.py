"""Money that moves on chain for a request: transfers, deposits, and what becomes of them when something fails."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import CancelAuthorization
from aicp.rules.primitives import hex0x
from backend.domain.gas import counted_gas
from backend.wallet import budget
from backend.worker import sweeps
from backend.x402 import purchases, relays
from backend.x402.schemas import DepositPayload
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE, Lab, until
from tests.x402.gateway.test_money import MISMATCH, charged
from tests.x402.gateway.test_strangers import counted


def intents(lab: Lab, kind: str, who: bytes) -> int:
    query = "SELECT count(*) FROM txm.intent WHERE kind = :kind AND on_behalf_of = :who"
    return int(lab.world.one(query, kind=kind, who=who))


def test_a_transfer_pays_once_and_its_repeat_gets_the_same_answer(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("transfer")
    before, payload = lab.world.usdc_of(lab.agent.address), hand.transfer(PRICE)
    with lab.keep_up():
        first = hand.pay(url, payload, "exact")
        asked = len(lab.upstream.calls)
        again = hand.pay(url, payload, "exact")
        elsewhere = hand.pay(url + "?n=2", payload, "exact")
    assert first.status_code == 200, first.text
    assert (again.status_code, again.content) == (200, first.content)
    assert read(again, "PAYMENT-RESPONSE") == read(first, "PAYMENT-RESPONSE")
    assert (elsewhere.status_code, read(elsewhere)["error"]) == (402, "duplicate_settlement")
    assert len(lab.upstream.calls) == asked
    assert lab.world.usdc_of(lab.agent.address) - before == PRICE


def test_an_agent_that_fails_has_no_transfer_carried_out(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("transfer-fails")
    payload = hand.transfer(PRICE)
    for status, told in ((500, 502), (404, 404)):
        lab.upstream.status = status
        try:
            assert hand.pay(url, payload, "exact").status_code == told
        finally:
            lab.upstream.status = 200
    assert intents(lab, "x402_exact", hand.address) == 0
    with lab.keep_up():
        assert hand.pay(url, payload, "exact").status_code == 200


def test_a_transfer_that_fails_opens_nothing(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("transfer-lost", "/slow")
    payload, answers = hand.transfer(PRICE), []
    lab.upstream.gate.clear()
    asked = len(lab.upstream.calls)
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload, "exact")))
    thread.start()
    until(lambda: len(lab.upstream.calls) == asked + 1, "the agent is asked")
    # the payer spends the money elsewhere while the agent works
    lab.world.chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", hand.account.address)
    away = usdc_abi.encode_transfer(lab.world.buyer.address, lab.world.usdc_of(hand.address))
    lab.world.send(hand.address, lab.ctx.deployment.usdc, away)
    lab.upstream.gate.set()
    with lab.keep_up():
        thread.join(30)
    (answer,) = answers
    assert answer.status_code == 402
    assert "answer" not in answer.json()
    told = read(answer, "PAYMENT-RESPONSE")
    assert (told["success"], told["errorReason"]) == (False, "unexpected_settle_error")
    kept = "SELECT state, answer_body FROM app.x402_payment WHERE payer = :payer"
    assert [tuple(row) for row in lab.world.sql(kept, payer=hand.address)] == [("void", None)]


def mine_first(lab: Lab, kind: str, who: bytes) -> None:
    """Send the call we are about to send, as anybody may who has seen it."""
    found = 'SELECT "to", data FROM txm.intent WHERE kind = :kind AND on_behalf_of = :who'
    until(lambda: lab.world.sql(found, kind=kind, who=who), "the call is asked for")
    [[target, data]] = lab.world.sql(found, kind=kind, who=who)
    lab.world.send(lab.world.rival.address, bytes(target), bytes(data))


def state_of(lab: Lab, hand: Hand) -> str:
    return str(lab.world.one("SELECT state FROM app.x402_payment WHERE payer = :payer", payer=hand.address))


def test_a_transfer_that_an_onlooker_mines_first_gives_the_answer_it_pays(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("front-run")
    before, asked = lab.world.usdc_of(lab.agent.address), len(lab.upstream.calls)
    payload, answers = hand.transfer(PRICE), []
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload, "exact")))
    thread.start()
    mine_first(lab, "x402_exact", hand.address)
    mined = lab.world.chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"]
    with lab.keep_up():
        thread.join(30)
        again = hand.pay(url, payload, "exact")
    (answer,) = answers
    assert lab.world.usdc_of(lab.agent.address) - before == PRICE, "the buyer has paid"
    assert answer.status_code == 200, answer.text
    assert read(answer, "PAYMENT-RESPONSE")["transaction"] in mined
    assert (again.status_code, again.content) == (200, answer.content)
    assert len(lab.upstream.calls) == asked + 1
    assert lab.world.one("SELECT state FROM txm.intent WHERE on_behalf_of = :who", who=hand.address) == "failed"


def test_a_transfer_that_an_onlooker_has_mined_ends_its_payment_without_its_caller(lab, monkeypatch):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("front-run-alone")
    monkeypatch.setattr(lab.ctx.settings, "gateway_wait_seconds", 0.1)
    payload, nodes = hand.transfer(PRICE), lab.ctx.settings.rpc_urls
    assert read(hand.pay(url, payload, "exact"))["error"] == "settlement_pending"
    mine_first(lab, "x402_exact", hand.address)
    sweeps.sweep_transactions(lab.world.machine)
    sweeps.keep(lab.world.machine)
    assert state_of(lab, hand) == "served", "the block is not final"
    monkeypatch.setattr(lab.ctx.settings, "rpc_urls", ["http://127.0.0.1:1"])
    assert read(hand.pay(url, payload, "exact"))["error"] == "settlement_pending", "no node, no verdict"
    monkeypatch.setattr(lab.ctx.settings, "rpc_urls", nodes)
    lab.world.chain.mine(4)
    sweeps.keep(lab.world.machine)
    assert state_of(lab, hand) == "answered"
    assert hand.pay(url, payload, "exact").status_code == 200


def test_a_transfer_that_its_payer_cancels_opens_nothing(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("cancelled")
    payload, answers = hand.transfer(PRICE), []
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload, "exact")))
    thread.start()
    until(lambda: intents(lab, "x402_exact", hand.address), "the transfer is asked for")
    nonce = bytes.fromhex(payload["authorization"]["nonce"][2:])
    signature = bytes.fromhex(hand.signed(CancelAuthorization(hand.address, nonce), lab.ctx.domains.token)[2:])
    call = usdc_abi.encode_cancel_authorization_signature(hand.address, nonce, signature)
    lab.world.send(lab.world.rival.address, lab.ctx.deployment.usdc, call)
    with lab.keep_up():
        thread.join(30)
    (answer,) = answers
    assert read(answer)["error"] == "unexpected_settle_error"
    assert state_of(lab, hand) == "void"
    assert lab.world.usdc_of(hand.address) == 10_000_000


def test_an_agent_is_not_asked_for_a_transfer_that_cannot_be_relayed(lab, monkeypatch):
    """The gas of the payer's day is used up: nothing can be paid, so nothing is worked."""
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("free-work")
    monkeypatch.setattr(lab.ctx.settings, "relayed_gas_per_day", counted_gas("x402_exact", None))
    with lab.keep_up():
        assert hand.pay(url, hand.transfer(PRICE), "exact").status_code == 200
        asked, before = len(lab.upstream.calls), lab.world.usdc_of(lab.agent.address)
        told = [hand.pay(url, hand.transfer(PRICE), "exact") for _ in range(3)]
    assert [(answer.status_code, answer.json()["code"]) for answer in told] == [(429, "limit_exceeded")] * 3
    assert len(lab.upstream.calls) == asked
    assert lab.world.usdc_of(lab.agent.address) == before


@pytest.mark.parametrize("fails", ["the agent fails", "the agent refuses", "nobody answers"])
def test_gas_kept_for_a_transfer_that_is_not_asked_for_is_given_back(lab, monkeypatch, fails):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("given-back")
    sales = counted(lab, budget.SALES)
    if fails == "nobody answers":  # as if the process had been killed while its agent worked
        monkeypatch.setattr(purchases, "fail", lambda session, payment: None)
    lab.upstream.status = 404 if fails == "the agent refuses" else 500
    try:
        hand.pay(url, hand.transfer(PRICE), "exact")
    finally:
        lab.upstream.status = 200
    if fails == "nobody answers":
        assert counted(lab, hand.address) == counted_gas("x402_exact", None)
        lab.world.clock.added += 120
        try:
            sweeps.keep(lab.world.machine)
        finally:
            lab.world.clock.added -= 120
    assert state_of(lab, hand) == "void"
    assert (counted(lab, hand.address), counted(lab, budget.SALES)) == (0, sales)
    with lab.keep_up():
        assert hand.pay(url, hand.transfer(PRICE), "exact").status_code == 200
    assert counted(lab, hand.address) == counted_gas("x402_exact", None)


def test_a_transfer_not_yet_mined_is_pending_and_its_repeat_finds_the_answer(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("transfer-pending")
    payload = hand.transfer(PRICE)
    pending = hand.pay(url, payload, "exact")
    assert (pending.status_code, read(pending)["error"]) == (402, "settlement_pending")
    told = read(pending, "PAYMENT-RESPONSE")
    assert (told["success"], told["errorReason"]) == (False, "settlement_pending")
    asked = len(lab.upstream.calls)
    with lab.keep_up():
        answer = hand.pay(url, payload, "exact")
    assert answer.status_code == 200
    assert len(lab.upstream.calls) == asked
    assert intents(lab, "x402_exact", hand.address) == 1


def test_transfers_under_way_promise_no_more_than_the_wallet_holds(lab):
    hand, url = Hand(lab, lab.buyer(PRICE)), lab.endpoint("transfer-funds", "/slow")
    lab.upstream.gate.clear()
    asked = len(lab.upstream.calls)
    first = threading.Thread(target=lambda: hand.pay(url, hand.transfer(PRICE), "exact"))
    first.start()
    until(lambda: len(lab.upstream.calls) == asked + 1, "the agent is asked")
    second = hand.pay(url, hand.transfer(PRICE), "exact")
    assert (second.status_code, read(second)["error"]) == (402, "insufficient_funds")
    lab.upstream.gate.set()
    with lab.keep_up():
        first.join(30)
    assert len(lab.upstream.calls) == asked + 1


def test_a_deposit_beside_a_voucher_that_cannot_be_taken_does_not_move(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("deposit-lost")
    for ceiling in (2 * PRICE, PRICE - 1):
        answer = hand.pay(url, hand.deposit(ceiling, 10 * PRICE))
        assert (answer.status_code, read(answer)["error"]) == (402, MISMATCH)
    answer = hand.pay(url, hand.deposit(PRICE, PRICE - 1))
    assert (answer.status_code, read(answer)["error"]) == (
        402,
        "invalid_batch_settlement_evm_cumulative_exceeds_balance",
    )
    assert intents(lab, "x402_deposit", hand.address) == 0


def test_the_same_deposit_sent_twice_is_one_deposit_and_one_charge(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("deposit-twice")
    payload = hand.deposit(PRICE, 10 * PRICE)
    with lab.keep_up():
        first = hand.pay(url, payload)
        again = hand.pay(url, payload)
    assert first.status_code == 200, first.text
    assert (again.status_code, again.content) == (200, first.content)
    assert read(first, "PAYMENT-RESPONSE")["transaction"].startswith("0x")
    assert intents(lab, "x402_deposit", hand.address) == 1
    assert lab.on_chain(hand.channel) == (10 * PRICE, 0)
    assert charged(lab, hand) == (PRICE, 0)


def test_a_deposit_that_an_onlooker_mines_first_pays_the_request_beside_it(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("deposit-front-run")
    payload, answers = hand.deposit(PRICE, 10 * PRICE), []
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload)))
    thread.start()
    mine_first(lab, "x402_deposit", hand.address)
    mined = lab.world.chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"]
    for _ in range(3):
        sweeps.sweep_transactions(lab.world.machine)
    time.sleep(1)  # the gateway looks at a deposit that has failed
    with lab.keep_up():
        thread.join(30)
    (answer,) = answers
    assert answer.status_code == 200, answer.text
    assert read(answer, "PAYMENT-RESPONSE")["transaction"] in mined
    assert lab.on_chain(hand.channel) == (10 * PRICE, 0)
    assert charged(lab, hand) == (PRICE, 0)


def test_a_deposit_that_somebody_has_mined_is_waited_for(lab, monkeypatch):
    """Its buyer has sent it without us; until its block is final it pays nothing, and is not called refused."""
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("deposit-mined")
    payload = hand.deposit(PRICE, 10 * PRICE)
    given = DepositPayload.model_validate(payload).deposit
    call = relays.deposit_call(lab.ctx, hand.config, given.amount, given.authorization.erc3009_authorization)
    lab.world.send(lab.world.rival.address, lab.ctx.deployment.payment_channel, call)
    monkeypatch.setattr(lab.ctx.settings, "gateway_wait_seconds", 0.1)
    assert read(hand.pay(url, payload))["error"] == "settlement_pending"
    lab.world.chain.mine(4)
    lab.world.mirror()
    assert hand.pay(url, payload).status_code == 200
    assert intents(lab, "x402_deposit", hand.address) == 0


def test_a_deposit_that_fails_charges_nothing(lab):
    hand, url = Hand(lab, lab.buyer(5 * PRICE)), lab.endpoint("deposit-fails")
    with lab.keep_up():
        answer = hand.pay(url, hand.deposit(PRICE, 10 * PRICE))
    assert answer.status_code == 402
    assert read(answer)["error"] == "invalid_batch_settlement_evm_deposit_transaction_failed"
    assert charged(lab, hand) == (0, 0)


def test_money_leaving_a_channel_pays_nothing_more_and_what_is_earned_is_claimed_at_once(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("leaving")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 3 * PRICE)).status_code == 200
        assert hand.pay(url, hand.voucher(2 * PRICE)).status_code == 200
    sweeps.settle(lab.world.machine)
    assert lab.on_chain(hand.channel) == (3 * PRICE, 0)  # far below what is worth its gas
    lab.world.chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", hand.account.address)
    leave = channel_abi.encode_initiate_withdraw(hand.config, PRICE)
    lab.world.send(hand.address, lab.ctx.deployment.payment_channel, leave)
    lab.world.mirror()
    answer = hand.pay(url, hand.voucher(3 * PRICE))
    assert (answer.status_code, read(answer)["error"]) == (402, MISMATCH)
    assert charged(lab, hand) == (2 * PRICE, 0)
    sweeps.settle(lab.world.machine)
    lab.world.turn(rounds=3)
    assert lab.on_chain(hand.channel) == (3 * PRICE, 2 * PRICE)


def test_a_refund_that_is_signed_is_not_promised_again(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("refund-signed")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 3 * PRICE)).status_code == 200
    payload = hand.voucher(PRICE, type="refund", amount=str(2 * PRICE))
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload)))
    thread.start()
    signed = "SELECT count(*) FROM app.channel_refund WHERE channel_id = :id"
    until(lambda: lab.world.one(signed, id=hand.channel) == 1, "the refund is signed")
    # nobody has mined it yet, and its money is gone already
    more = hand.pay(url, hand.voucher(2 * PRICE))
    assert (more.status_code, read(more)["error"]) == (402, MISMATCH)
    with lab.keep_up():
        thread.join(30)
    assert answers[0].status_code == 200, answers[0].text
    assert lab.on_chain(hand.channel) == (PRICE, PRICE)
    assert lab.world.usdc_of(hand.address) == 10_000_000 - PRICE
    lab.world.turn()
    sweeps.keep(lab.world.machine)
    assert lab.world.one("SELECT final FROM app.channel_refund WHERE channel_id = :id", id=hand.channel)
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(2 * PRICE, 3 * PRICE)).status_code == 200
    assert charged(lab, hand) == (2 * PRICE, 0)
    assert hex0x(hand.channel) == read(answers[0], "PAYMENT-RESPONSE")["extra"]["channelState"]["channelId"]


def test_a_refund_that_somebody_else_has_mined_is_not_held_back_for_ever(lab):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("refund-elsewhere")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 3 * PRICE)).status_code == 200
    payload = hand.voucher(PRICE, type="refund", amount=str(PRICE))
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(hand.pay(url, payload)))
    thread.start()
    signed = "SELECT intent_id FROM app.channel_refund WHERE channel_id = :id"
    until(lambda: len(lab.world.sql(signed, id=hand.channel)) == 1, "the refund is signed")
    [[intent]] = lab.world.sql(signed, id=hand.channel)
    [[target, data]] = lab.world.sql('SELECT "to", data FROM txm.intent WHERE id = :id', id=intent)
    lab.world.send(lab.world.rival.address, bytes(target), bytes(data))
    with lab.keep_up():
        thread.join(30)
    assert lab.world.one("SELECT state FROM txm.intent WHERE id = :id", id=intent) == "failed"
    lab.world.turn()
    sweeps.keep(lab.world.machine)
    assert lab.world.one("SELECT final FROM app.channel_refund WHERE channel_id = :id", id=hand.channel)
    with lab.keep_up():
        assert hand.pay(url, hand.voucher(2 * PRICE)).status_code == 200, "what is left pays"


@pytest.mark.parametrize("amount", [0, 3 * PRICE + 1])
def test_a_refund_takes_nothing_that_is_earned(lab, amount):
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("refund-bounds")
    with lab.keep_up():
        assert hand.pay(url, hand.deposit(PRICE, 4 * PRICE)).status_code == 200
    answer = hand.pay(url, hand.voucher(PRICE, type="refund", amount=str(amount)))
    assert answer.status_code == 402
    assert read(answer)["error"].startswith("invalid_batch_settlement_evm_refund_")
    assert lab.world.one("SELECT count(*) FROM app.channel_refund WHERE channel_id = :id", id=hand.channel) == 0


def test_a_transfer_that_is_overtaken_and_fails_in_its_block_opens_nothing(lab, monkeypatch):
    """Between simulation and block the payer moves the money away; a block that is not final yet is no excuse."""
    hand, url = Hand(lab, lab.buyer()), lab.endpoint("transfer-overtaken")
    payload, chain = hand.transfer(PRICE), lab.world.chain
    monkeypatch.setattr(lab.ctx.settings, "gateway_wait_seconds", 0.1)
    assert read(hand.pay(url, payload, "exact"))["error"] == "settlement_pending"
    chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    chain.rpc("anvil_impersonateAccount", hand.account.address)
    away = usdc_abi.encode_transfer(lab.world.buyer.address, lab.world.usdc_of(hand.address))
    chain.rpc("evm_setAutomine", False)
    try:
        sweeps.sweep_transactions(lab.world.machine)
        request = {"from": hand.account.address, "to": hex0x(lab.ctx.deployment.usdc), "data": hex0x(away)}
        chain.rpc("eth_sendTransaction", request | {"gas": hex(100_000), "gasPrice": hex(10**12)})
        chain.mine()
    finally:
        chain.rpc("evm_setAutomine", True)
    sweeps.sweep_transactions(lab.world.machine)
    state = "SELECT state FROM txm.intent WHERE kind = 'x402_exact' AND on_behalf_of = :who"
    assert lab.world.one(state, who=hand.address) == "mined"
    answer = hand.pay(url, payload, "exact")
    assert answer.status_code == 402
    assert "answer" not in answer.json()
    assert read(answer)["error"] == "settlement_pending"

    def over() -> bool:
        return read(hand.pay(url, payload, "exact"))["error"] == "insufficient_funds"

    with lab.keep_up():
        until(over, "the transfer has failed for good")
