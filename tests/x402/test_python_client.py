"""The official Python client, server and facilitator over a whole life of a channel."""

from __future__ import annotations

import pytest
from eth_account import Account
from requests import Session
from x402 import x402ClientSync
from x402.http.clients.requests import x402_requests
from x402.http.utils import decode_payment_required_header, decode_payment_response_header
from x402.mechanisms.evm.batch_settlement.client.config import BatchSettlementEvmSchemeOptions
from x402.mechanisms.evm.batch_settlement.client.refund import RefundOptions
from x402.mechanisms.evm.batch_settlement.client.scheme import BatchSettlementEvmScheme
from x402.mechanisms.evm.signers import EthAccountSigner, EthAccountSignerWithRPC

from tests.x402.ground import NETWORK, PAYMENTS, PRICE, START
from tests.x402.market import WITHDRAW_DELAY

DEPOSIT = 2 * PAYMENTS * PRICE


def client_of(ground, account, **options):
    """The official client with the one setting it needs for a token it does not know."""
    signer = EthAccountSignerWithRPC(account, ground.chain.url)
    scheme = BatchSettlementEvmScheme(signer, BatchSettlementEvmSchemeOptions(**options))
    client = x402ClientSync().register(NETWORK, scheme)
    asset = {"network": NETWORK, "asset": ground.usdc.address, "max_amount_per_payment": str(DEPOSIT)}
    client.set_spend_controls({"allowed_assets": [asset]})
    return scheme, x402_requests(client)


def pay(session: Session, url: str, times: int) -> list[str]:
    """Pay and return the transactions among the answers: deposits."""
    found = []
    for _ in range(times):
        response = session.get(url)
        assert response.status_code == 200, reason(response)
        assert response.json() == {"answer": 42}
        found.append(decode_payment_response_header(response.headers["PAYMENT-RESPONSE"]).transaction)
    return [transaction for transaction in found if transaction]


def reason(response):
    """What a refusal says."""
    if "PAYMENT-RESPONSE" in response.headers:
        return decode_payment_response_header(response.headers["PAYMENT-RESPONSE"])
    return decode_payment_required_header(response.headers["PAYMENT-REQUIRED"]).error


def config_of(scheme, channel):
    """The config of a stored channel as the contract takes it."""
    raw = channel.channel_config
    return (
        raw.payer, raw.payer_authorizer, raw.receiver, raw.receiver_authorizer, raw.token, raw.withdraw_delay,
        bytes.fromhex(raw.salt[2:]),
    )  # fmt: skip


@pytest.mark.parametrize("road", ["erc3009", "permit2"])
def test_python_packages__open_pay_claim_settle_refund_withdraw(ground, market, road):
    account = ground.buyer({"erc3009": 0, "permit2": 1}[road])
    session_key = Account.create()
    if road == "permit2":
        ground.send(ground.usdc.functions.approve("0x000000000022D473030F116dDEE9F6B43aC78BA3", 2**255), account)
    scheme, session = client_of(
        ground, account, payer_authorizer=session_key.address, voucher_signer=EthAccountSigner(session_key)
    )
    url = f"{market.url}/{road}"
    got = ground.settled()

    deposits = pay(session, url, PAYMENTS)
    assert len(deposits) == 1
    assert ground.gas_of(deposits[0]) < 500_000
    stored = market.scheme.get_storage().list()
    channel = next(c for c in stored if c.channel_config.payer == account.address)
    identity = bytes.fromhex(channel.channel_id[2:])
    assert ground.channel.functions.channels(identity).call() == [DEPOSIT, 0]

    claims = market.manager.claim()
    assert [claim.vouchers for claim in claims] == [1]
    settled = market.manager.settle()
    assert ground.gas_of(settled.transaction) < 120_000
    assert ground.settled() - got == PAYMENTS * PRICE

    # in part and with something to claim, so claim and refund go together; then all that is left
    pay(session, url, 1)
    refunded = scheme.refund(url, RefundOptions(amount="10000"))
    assert refunded.success
    assert ground.channel.functions.channels(identity).call() == [DEPOSIT - 10_000, (PAYMENTS + 1) * PRICE]
    assert scheme.refund(url).success
    assert ground.channel.functions.channels(identity).call() == [(PAYMENTS + 1) * PRICE] * 2
    assert ground.channel.functions.refundNonce(identity).call() == 2
    assert ground.usdc.functions.balanceOf(account.address).call() == START - (PAYMENTS + 1) * PRICE

    # opened again: the cumulative amount goes on, and the payer leaves by himself
    assert len(pay(session, url, 1)) == 1
    balance, claimed = ground.channel.functions.channels(identity).call()
    config = config_of(scheme, channel)
    ground.send(ground.channel.functions.initiateWithdraw(config, balance - claimed - PRICE), account)
    ground.pass_by(WITHDRAW_DELAY)
    ground.send(ground.channel.functions.finalizeWithdraw(config), account)
    assert [claim.vouchers for claim in market.manager.claim()] == [1]
    assert ground.channel.functions.channels(identity).call() == [(PAYMENTS + 2) * PRICE] * 2
    market.manager.settle()
    assert ground.settled() - got == (PAYMENTS + 2) * PRICE
    assert ground.usdc.functions.balanceOf(account.address).call() == START - (PAYMENTS + 2) * PRICE
