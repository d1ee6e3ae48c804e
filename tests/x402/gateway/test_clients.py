"""The unmodified official clients buy from an agent through our gateway, and the agent is paid on chain."""

from __future__ import annotations

import pytest
from x402.http.clients.httpx import PaymentError

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from backend.worker import sweeps
from tests.x402.gateway.hand import Hand
from tests.x402.gateway.lab import PRICE, Lab
from tests.x402.gateway.shoppers import Transcript, shopper

PAYMENTS = 100
CORRECTIVE = "402 cumulative_amount_mismatch"
DEAR = 100_000
"""A price of which a few are worth a claim."""
LANGUAGES = ["python", "typescript"]


def open_pool(lab: Lab, account, units: int) -> None:
    """Fill the pool of a wallet that signs its own vouchers, straight from the wallet."""
    payer = bytes.fromhex(account.address[2:])
    channel, operator = lab.ctx.deployment.payment_channel, lab.ctx.operator.address
    lab.world.chain.rpc("anvil_setBalance", account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", account.address)
    lab.world.send(payer, lab.ctx.deployment.usdc, usdc_abi.encode_approve(channel, 2**255))
    lab.world.send(payer, channel, channel_abi.encode_deposit_pool(payer, operator, units))
    lab.world.chain.mine(4)
    lab.world.mirror()


@pytest.mark.parametrize("language", LANGUAGES)
def test_100_payments_in_one_channel_after_one_deposit(lab, language):
    account, url = lab.buyer(), lab.endpoint("hundred")
    text = Transcript(f"deposit-{language}")
    with lab.keep_up(), shopper(lab, language, account, deposits=True) as client:
        got = client.pay([url] * PAYMENTS)
    for number, one in enumerate(got, 1):
        text.bought(number, one)
    text.keep()
    assert [one.status for one in got] == [200] * PAYMENTS
    assert len({one.body for one in got}) == PAYMENTS
    deposits = [one.settled["transaction"] for one in got if one.settled and one.settled["transaction"]]
    assert len(deposits) == 1
    rows = lab.channels(account.address)
    assert [(int(r.earned_units), int(r.in_flight_units)) for r in rows] == [(PAYMENTS * PRICE, 0)]
    assert lab.on_chain(rows[0].channel_id) == (100 * PRICE, 0)
    lab.balanced()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pool_pays_a_new_agent_without_a_deposit(lab, language):
    account, url = lab.buyer(), lab.endpoint("pooled")
    open_pool(lab, account, 50 * PRICE)
    before = lab.world.usdc_of(bytes.fromhex(account.address[2:]))
    text = Transcript(f"pool-{language}")
    with shopper(lab, language, account, deposits=False) as client:
        got = client.pay([url] * 5)
    for number, one in enumerate(got, 1):
        text.bought(number, one)
    text.keep()
    assert [one.status for one in got] == [200] * 5
    assert not any(one.settled["transaction"] for one in got if one.settled)
    rows = lab.channels(account.address)
    assert [int(r.earned_units) for r in rows] == [5 * PRICE]
    assert lab.on_chain(rows[0].channel_id) == (0, 0)
    assert lab.world.usdc_of(bytes.fromhex(account.address[2:])) == before
    lab.balanced()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_that_has_lost_its_state_is_put_back_in_step(lab, language):
    account, url = lab.buyer(), lab.endpoint("forgotten")
    open_pool(lab, account, 50 * PRICE)
    text = Transcript(f"lost-state-{language}")
    with shopper(lab, language, account, deposits=False) as client:
        first = client.pay([f"{url}?n={n}" for n in range(3)])
        client.forget()
        second = client.pay([f"{url}?n={n}" for n in range(3, 5)])
    for number, one in enumerate(first, 1):
        text.bought(number, one)
    text.say("the client loses its state")
    for number, one in enumerate(second, 4):
        text.bought(number, one)
    text.keep()
    assert second[0].exchanges == ["402", CORRECTIVE, "200"]
    assert second[1].exchanges == ["402", "200"]
    assert [one.status for one in [*first, *second]] == [200] * 5
    assert [int(r.earned_units) for r in lab.channels(account.address)] == [5 * PRICE]


def test_a_lost_answer_is_not_paid_twice_and_the_client_goes_on(lab):
    account, url = lab.buyer(), lab.endpoint("lost")
    open_pool(lab, account, 50 * PRICE)
    text = Transcript("lost-answer-python")
    with shopper(lab, "python", account, deposits=False) as client:
        (first,) = client.pay([url + "?n=1"])
        text.bought(1, first)
        client.lose_next = True
        with pytest.raises(PaymentError):
            client.pay([url + "?n=2"])
        text.say("the answer to request 2 is lost on its way")
        asked = len(lab.upstream.calls)
        # the same request again: the stored answer, nothing is charged
        (again,) = client.pay([url + "?n=2"])
        text.bought(2, again)
        assert (again.status, len(lab.upstream.calls)) == (200, asked)
        client.lose_next = True
        with pytest.raises(PaymentError):
            client.pay([url + "?n=3"])
        text.say("the answer to request 3 is lost on its way")
        # another request: a corrective 402, from which the client signs anew by itself
        (other,) = client.pay([url + "?n=4"])
        text.bought(4, other)
    text.keep()
    assert again.exchanges == ["402", "200"]
    assert other.exchanges == ["402", CORRECTIVE, "200"]
    assert other.status == 200
    assert [int(r.earned_units) for r in lab.channels(account.address)] == [4 * PRICE]
    lab.balanced()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_exact_payment_is_answered_when_its_transfer_is_mined(lab, language):
    account, url = lab.buyer(), lab.endpoint("exact")
    agent = lab.world.usdc_of(lab.agent.address)
    text = Transcript(f"exact-{language}")
    with lab.keep_up(), shopper(lab, language, account, deposits=False, exact=True) as client:
        (got,) = client.pay([url])
    text.bought(1, got)
    text.keep()
    assert got.status == 200
    assert got.settled is not None
    assert got.settled["transaction"].startswith("0x")
    assert lab.world.usdc_of(lab.agent.address) - agent == PRICE


@pytest.mark.parametrize("language", LANGUAGES)
def test_unclaimed_money_goes_back_and_the_client_can_buy_again(lab, language):
    account, url = lab.buyer(), lab.endpoint("refunded")
    payer = bytes.fromhex(account.address[2:])
    text = Transcript(f"refund-{language}")
    with lab.keep_up(), shopper(lab, language, account, deposits=True) as client:
        got = client.pay([f"{url}?n={n}" for n in range(3)])
        assert client.refund(url)
        (channel,) = lab.channels(account.address)
        assert lab.on_chain(channel.channel_id) == (3 * PRICE, 3 * PRICE)
        assert lab.world.usdc_of(payer) == 10_000_000 - 3 * PRICE
        more = client.pay([f"{url}?n={n}" for n in range(3, 5)])
    for number, one in enumerate(got, 1):
        text.bought(number, one)
    text.say("the client asks for its money back: 97000 units return to its wallet")
    for number, one in enumerate(more, 4):
        text.bought(number, one)
    text.keep()
    assert [one.status for one in [*got, *more]] == [200] * 5
    (channel,) = lab.channels(account.address)
    assert int(channel.earned_units) == 5 * PRICE
    lab.balanced()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_channel_emptied_behind_the_clients_back_is_filled_again(lab, language):
    account, url = lab.buyer(), lab.endpoint("emptied")
    text = Transcript(f"emptied-{language}")
    with lab.keep_up(), shopper(lab, language, account, deposits=True) as client:
        got = client.pay([f"{url}?n={n}" for n in range(2)])
        elsewhere = Hand(lab, account, salt=bytes(32))
        assert elsewhere.pay(url, elsewhere.voucher(2 * PRICE, type="refund")).status_code == 200
        more = client.pay([f"{url}?n={n}" for n in range(2, 4)])
    for number, one in enumerate(got, 1):
        text.bought(number, one)
    text.say("the channel is emptied by a refund this client knows nothing of")
    for number, one in enumerate(more, 3):
        text.bought(number, one)
    text.keep()
    assert more[0].exchanges == ["402", CORRECTIVE, "200"]
    assert more[1].exchanges == ["402", "200"]
    (channel,) = lab.channels(account.address)
    assert int(channel.earned_units) == 4 * PRICE
    lab.balanced()


def settle_all(lab: Lab) -> None:
    """Let workers sign receipts, claim and pay; the clock makes everything old enough to be worth it."""
    sweeps.settle(lab.world.machine)
    lab.world.clock.added += lab.ctx.constants.settle_age_seconds + 1
    for _ in range(8):
        lab.world.turn(rounds=1)
        sweeps.settle(lab.world.machine)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_agent_is_paid_on_chain_exactly_what_was_bought(lab, language):
    """Last in the module: it moves the clock."""
    deposited, pooled, url = lab.buyer(), lab.buyer(), lab.endpoint("paid-out", price=DEAR)
    open_pool(lab, pooled, 10 * DEAR)
    settle_all(lab)
    before = lab.world.usdc_of(lab.agent.address)
    text = Transcript(f"settled-{language}")
    with lab.keep_up(), shopper(lab, language, deposited, deposits=True) as client:
        got = client.pay([f"{url}?n={n}" for n in range(7)])
    with shopper(lab, language, pooled, deposits=False) as client:
        got += client.pay([f"{url}?n={n}" for n in range(5)])
    assert [one.status for one in got] == [200] * 12
    settle_all(lab)
    paid = lab.world.usdc_of(lab.agent.address) - before
    text.say(f"12 requests at {DEAR} units; the agent was paid {paid} units on chain")
    text.keep()
    assert paid == 12 * DEAR
    own, drawn = (lab.channels(account.address)[0].channel_id for account in (deposited, pooled))
    assert lab.on_chain(own)[1] == 7 * DEAR
    assert lab.on_chain(drawn) == (5 * DEAR, 5 * DEAR)
    lab.balanced()
