"""Payers that are contracts: the unmodified Python packages take their ERC-1271 signatures, also for vouchers."""

from __future__ import annotations

import secrets

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address
from x402 import x402ClientSync
from x402.http.clients.requests import x402_requests
from x402.mechanisms.evm.batch_settlement.client.config import BatchSettlementEvmSchemeOptions
from x402.mechanisms.evm.batch_settlement.client.scheme import BatchSettlementEvmScheme
from x402.mechanisms.evm.signers import EthAccountSigner, EthAccountSignerWithRPC

from tests.fixtures.contract_wallet import ContractWallet
from tests.x402.buyers import DEPOSIT, PythonBuyer
from tests.x402.ground import NETWORK, PRICE, START

NOBODY = "0x" + "0" * 40
TIMES = 5


class WalletSigner(EthAccountSignerWithRPC):
    """Signs with the owner's key for the wallet's address, as every contract wallet's signer does."""

    def __init__(self, owner: LocalAccount, wallet: str, url: str) -> None:
        super().__init__(owner, url)
        self._wallet = wallet

    @property
    def address(self) -> str:
        return self._wallet


@pytest.fixture
def wallet(ground) -> tuple[LocalAccount, str]:
    """An owner, and his contract wallet with USDC."""
    owner, address = Account.create(), secrets.token_bytes(20)
    ContractWallet(bytes(owner.key), address).install(ground.chain.rpc)
    found = to_checksum_address(address)
    ground.send(ground.usdc.functions.mint(found, START), ground.deployer)
    return owner, found


@pytest.mark.parametrize("vouchers", ["of a session key", "of the wallet"])
def test_python_packages__a_contract_wallet_pays_and_gets_its_refund(ground, python_market, wallet, vouchers):
    owner, address = wallet
    session_key = Account.create()
    options = BatchSettlementEvmSchemeOptions(payer_authorizer=NOBODY)
    if vouchers == "of a session key":
        options = BatchSettlementEvmSchemeOptions(
            payer_authorizer=session_key.address, voucher_signer=EthAccountSigner(session_key)
        )
    scheme = BatchSettlementEvmScheme(WalletSigner(owner, address, ground.chain.url), options)
    client = x402ClientSync().register(NETWORK, scheme)
    asset = {"network": NETWORK, "asset": ground.usdc.address, "max_amount_per_payment": str(DEPOSIT)}
    client.set_spend_controls({"allowed_assets": [asset]})
    got = ground.settled()
    with x402_requests(client) as session:
        buyer = PythonBuyer(ground, owner, f"{python_market.url}/erc3009", scheme, session)
        assert len(buyer.pay(TIMES)) == 1
        stored = [channel.channel_config for channel in python_market.scheme.get_storage().list()]
        authorizer = next(config.payer_authorizer for config in stored if config.payer == address)
        assert authorizer == (session_key.address if vouchers == "of a session key" else NOBODY)
        assert buyer.refund(None)
    python_market.manager.claim()
    python_market.manager.settle()
    assert ground.settled() - got == TIMES * PRICE
    assert ground.usdc.functions.balanceOf(address).call() == START - TIMES * PRICE


def test_python_packages__a_stranger_does_not_pay_from_a_contract_wallet(ground, python_market, wallet):
    _, address = wallet
    options = BatchSettlementEvmSchemeOptions(payer_authorizer=NOBODY)
    scheme = BatchSettlementEvmScheme(WalletSigner(Account.create(), address, ground.chain.url), options)
    client = x402ClientSync().register(NETWORK, scheme)
    asset = {"network": NETWORK, "asset": ground.usdc.address, "max_amount_per_payment": str(DEPOSIT)}
    client.set_spend_controls({"allowed_assets": [asset]})
    with x402_requests(client) as session:
        assert session.get(f"{python_market.url}/erc3009").status_code == 402
    assert ground.usdc.functions.balanceOf(address).call() == START
