"""The unmodified official packages take a channel through its whole life: open, pay, claim, settle, refund, withdraw.

Python: client, server, facilitator. TypeScript: client and facilitator, with the Python server between them.
"""

from __future__ import annotations

import pytest
from x402.mechanisms.evm.constants import PERMIT2_ADDRESS

from tests.x402.buyers import DEPOSIT, python_buyer, typescript_buyer
from tests.x402.ground import PAYMENTS, PRICE, START
from tests.x402.market import WITHDRAW_DELAY

# what the packages themselves fix: Python for every transaction, TypeScript for deposits by Permit2 and for settling
DEPOSIT_LIMIT = {"erc3009": 500_000, "permit2": 300_000}
SETTLE_LIMIT = 120_000


def live(ground, market, buyer, account, road):
    got = ground.settled()

    deposits = buyer.pay(PAYMENTS)
    assert len(deposits) == 1
    assert ground.gas_of(deposits[0]) < DEPOSIT_LIMIT[road]
    channel = next(c for c in market.scheme.get_storage().list() if c.channel_config.payer == account.address)
    identity = bytes.fromhex(channel.channel_id[2:])

    def state():
        return tuple(ground.channel.functions.channels(identity).call())

    assert state() == (DEPOSIT, 0)
    assert [claim.vouchers for claim in market.manager.claim()] == [1]
    assert state() == (DEPOSIT, PAYMENTS * PRICE)
    assert ground.gas_of(market.manager.settle().transaction) < SETTLE_LIMIT
    assert ground.settled() - got == PAYMENTS * PRICE

    # a part, while there is something to claim, so that claim and refund go together; then all that is left
    buyer.pay(1)
    assert buyer.refund(10_000)
    assert state() == (DEPOSIT - 10_000, (PAYMENTS + 1) * PRICE)
    assert buyer.refund(None)
    assert state() == ((PAYMENTS + 1) * PRICE, (PAYMENTS + 1) * PRICE)
    assert ground.channel.functions.refundNonce(identity).call() == 2
    assert ground.usdc.functions.balanceOf(account.address).call() == START - (PAYMENTS + 1) * PRICE

    # opened again: the cumulative amount goes on, and the payer leaves by himself
    assert len(buyer.pay(1)) == 1
    balance, claimed = state()
    buyer.initiate(balance - claimed - PRICE)
    ground.pass_by(WITHDRAW_DELAY)
    buyer.finalize()
    assert [claim.vouchers for claim in market.manager.claim()] == [1]
    assert state() == ((PAYMENTS + 2) * PRICE, (PAYMENTS + 2) * PRICE)
    market.manager.settle()
    assert ground.settled() - got == (PAYMENTS + 2) * PRICE
    assert ground.usdc.functions.balanceOf(account.address).call() == START - (PAYMENTS + 2) * PRICE


@pytest.mark.parametrize("road", ["erc3009", "permit2"])
def test_python_packages__open_pay_claim_settle_refund_withdraw(ground, python_market, road):
    account = ground.buyer()
    if road == "permit2":
        ground.send(ground.usdc.functions.approve(PERMIT2_ADDRESS, 2**255), account)
    with python_buyer(ground, account, f"{python_market.url}/{road}") as buyer:
        live(ground, python_market, buyer, account, road)


@pytest.mark.parametrize("road", ["erc3009", "permit2"])
def test_typescript_packages__open_pay_claim_settle_refund_withdraw(ground, typescript_market, road):
    account = ground.buyer()
    if road == "permit2":
        ground.send(ground.usdc.functions.approve(PERMIT2_ADDRESS, 2**255), account)
    with typescript_buyer(ground, account, f"{typescript_market.url}/{road}") as buyer:
        live(ground, typescript_market, buyer, account, road)
