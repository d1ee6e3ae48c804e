"""Payers the gateway does not take deposits from: Permit2 and contract wallets get a typed refusal and pay nothing.

A contract wallet pays all the same once its pool is funded on chain: its session key signs the vouchers.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import ChannelConfig
from tests.fixtures.contract_wallet import ContractWallet
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE, Lab

UNITS = 50_000


@dataclass(slots=True)
class WalletHand(Hand):
    """`account` is the wallet's owner and its session key; the payer is the wallet."""

    wallet: bytes = field(default_factory=lambda: secrets.token_bytes(20))
    by_key: bool = True

    @property
    def address(self) -> bytes:
        return self.wallet

    @property
    def config(self) -> ChannelConfig:
        key = bytes.fromhex(self.account.address[2:]) if self.by_key else bytes(20)
        return msgspec.structs.replace(super(WalletHand, self).config, payer=self.wallet, payer_authorizer=key)


def wallet_with_money(lab: Lab, *, by_key: bool) -> WalletHand:
    owner: LocalAccount = Account.create()
    made = WalletHand(lab, owner, by_key=by_key)
    ContractWallet(bytes(owner.key), made.wallet).install(lab.world.chain.rpc)
    lab.world.send(lab.world.buyer.address, lab.ctx.deployment.usdc, usdc_abi.encode_transfer(made.wallet, UNITS))
    return made


def channels_of(lab: Lab, payer: bytes) -> int:
    return int(
        lab.world.one("SELECT count(*) FROM app.channel JOIN app.pool USING (pool_id) WHERE payer = :p", p=payer)
    )


@pytest.mark.parametrize(
    ("by_key", "reason"),
    [
        (True, "invalid_batch_settlement_evm_receive_authorization_signature"),
        (False, "invalid_batch_settlement_evm_voucher_signature"),
    ],
)
def test_a_contract_wallets_own_signatures_are_refused(lab: Lab, by_key: bool, reason: str) -> None:
    hand, url = wallet_with_money(lab, by_key=by_key), lab.endpoint("by-wallet")
    asked = len(lab.upstream.calls)
    for payload in (hand.deposit(PRICE, 10 * PRICE), *([] if by_key else [hand.voucher(PRICE)])):
        answer = hand.pay(url, payload)
        assert (answer.status_code, read(answer)["error"]) == (402, reason)
    transfer = hand.pay(url, hand.transfer(PRICE), scheme="exact")
    assert (transfer.status_code, read(transfer)["error"]) == (402, "invalid_exact_evm_payload_signature")
    assert len(lab.upstream.calls) == asked
    assert channels_of(lab, hand.wallet) == 0


@pytest.mark.parametrize("length", [64, 66, 96, 4_000])
def test_a_signature_of_another_length_is_refused_by_its_reason(lab: Lab, length: int) -> None:
    hand, url = Hand(lab, lab.buyer(10 * PRICE)), lab.endpoint("by-length")
    payload = hand.voucher(PRICE)
    payload["voucher"] |= {"signature": "0x" + "11" * length}
    answer = hand.pay(url, payload)
    assert (answer.status_code, read(answer)["error"]) == (402, "invalid_batch_settlement_evm_voucher_signature")
    assert lab.channels(hand.account.address) == []


def test_a_contract_wallets_session_key_pays_from_the_wallets_pool(lab: Lab) -> None:
    hand, url = wallet_with_money(lab, by_key=True), lab.endpoint("by-wallets-key")
    channel, operator = lab.ctx.deployment.payment_channel, lab.ctx.operator.address
    key = bytes.fromhex(hand.account.address[2:])
    wallet = "0x" + hand.wallet.hex()
    lab.world.chain.rpc("anvil_setBalance", wallet, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", wallet)
    lab.world.send(hand.wallet, lab.ctx.deployment.usdc, usdc_abi.encode_approve(channel, UNITS))
    lab.world.send(hand.wallet, channel, channel_abi.encode_deposit_pool(key, operator, UNITS))
    lab.world.chain.mine(4)
    lab.world.mirror()
    for number in (1, 2):
        answer = hand.pay(f"{url}?n={number}", hand.voucher(number * PRICE))
        assert answer.status_code == 200, read(answer)
    assert channels_of(lab, hand.wallet) == 1
    lab.balanced()


def test_permit2_is_refused_by_its_reason(lab: Lab) -> None:
    hand, url = Hand(lab, lab.buyer(10 * PRICE)), lab.endpoint("by-permit2")
    asked = len(lab.upstream.calls)
    permit = {
        "from": hand.account.address, "permitted": {"token": lab.ctx.deployment.usdc.hex(), "amount": str(PRICE)},
        "nonce": "1", "deadline": "9999999999", "signature": "0x" + "11" * 65,
    }  # fmt: skip
    deposit = hand.deposit(PRICE, 10 * PRICE)
    deposit["deposit"]["authorization"] = {"permit2Authorization": permit}
    answer = hand.pay(url, deposit)
    assert (answer.status_code, read(answer)["error"]) == (
        402, "invalid_batch_settlement_evm_erc3009_authorization_required",
    )  # fmt: skip
    exact = hand.pay(url, {"signature": "0x" + "11" * 65, "permit2Authorization": permit}, scheme="exact")
    assert (exact.status_code, read(exact)["error"]) == (402, "invalid_payload")
    assert len(lab.upstream.calls) == asked
    assert lab.channels(hand.account.address) == []
