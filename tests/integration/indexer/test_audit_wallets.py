"""`aicp audit --vouchers` where the buyer is a contract wallet (ERC-1271): it is asked, by the contracts' own rules."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.signing import sign
from aicp.abi.typed_data import ChannelConfig, ClaimBatch, ClaimEntry, Voucher
from aicp.client import models
from aicp.client.wallet import Wallet
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from indexer.audit.command import audit
from tests.fixtures.chainlab import USDC, Lab, hex0
from tests.fixtures.contract_wallet import ContractWallet

REVERTING = "0x60006000fd"
IDENTITY = b"\x04".rjust(20, b"\0")
"""The precompile that answers what it is asked, so what begins with the selector: no code, and no signature."""


def config_of(lab: Lab, payer: bytes, operator: Wallet) -> ChannelConfig:
    return ChannelConfig(
        payer=payer, payer_authorizer=ZERO_ADDRESS, receiver=lab.agent, receiver_authorizer=operator.address,
        token=lab.usdc, withdraw_delay=86_400, salt=keccak(b"wallet"),
    )  # fmt: skip


def receipt(lab: Lab, config: ChannelConfig, signer: Wallet, operator: Wallet, total: int = USDC) -> models.Receipt:
    domain = lab.contracts.channel_domain
    channel = config.digest(domain)
    entry = ClaimEntry(channel_id=channel, max_claimable_amount=total, total_claimed=total)
    voucher = Voucher(channel_id=channel, max_claimable_amount=total)
    return models.Receipt(
        id=uuid.uuid4(), channel_id=channel, order_hash=bytes(32), deal_id=uuid.uuid4(),
        config=models.Config(**{name: getattr(config, name) for name in models.Config.model_fields}),
        max_claimable_units=total, voucher_signature=sign(voucher.digest(domain), signer.secret_key()),
        total_claimed_units=total,
        operator_signature=sign(ClaimBatch(claims=(entry,)).digest(domain), operator.secret_key()),
        price_units=total, acknowledged=True, claimed=False, created_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip


@pytest.fixture
def differences(lab: Lab, tmp_path: Path) -> Callable[[models.Receipt], list[Any]]:
    deployment, file = tmp_path / "deployment.json", tmp_path / "receipts.jsonl"
    deployment.write_text(json.dumps({**lab.deployment().to_json(), "operators": []}))

    def run(one: models.Receipt) -> list[Any]:
        file.write_text(one.model_dump_json() + "\n")
        arguments = ["--rpc", lab.chain.url, "--deployment", str(deployment), "--vouchers", str(file), "--json"]
        answer = CliRunner().invoke(audit, arguments, env={"AICP_HOME": str(tmp_path / "home")})
        found = json.loads(answer.stdout)["differences"]
        assert answer.exit_code == (1 if found else 0), answer.output
        return [(one["column"].split(": ")[-1], one["contract_value"]) for one in found]

    return run


def test_a_contract_wallet_is_asked(lab: Lab, differences: Callable[[models.Receipt], list[Any]]) -> None:
    payer = ContractWallet(secrets.token_bytes(32), secrets.token_bytes(20))
    operator, impostor = Wallet(secrets.token_bytes(32)), Wallet(secrets.token_bytes(32))
    payer.install(lab.chain.rpc)
    for account in (payer.address, operator.address):
        lab.chain.rpc("anvil_setBalance", hex0(account), hex(10**18))
        lab.chain.rpc("anvil_impersonateAccount", hex0(account))
    channel = lab.contracts.payment_channel
    lab.send(lab.owner, lab.usdc, usdc_abi.encode_mint(payer.address, 10 * USDC))
    lab.send(payer.address, lab.usdc, usdc_abi.encode_approve(channel, 10 * USDC))
    lab.send(payer.address, channel, channel_abi.encode_deposit_pool(ZERO_ADDRESS, operator.address, 5 * USDC))
    config = config_of(lab, payer.address, operator)
    good, bad = receipt(lab, config, payer, operator), receipt(lab, config, impostor, operator)
    row = channel_abi.VoucherClaim(channel_abi.Voucher(config, USDC), good.voucher_signature, USDC)
    lab.send(operator.address, channel, channel_abi.encode_claim([row]))  # the contract asks the wallet as well
    lab.chain.mine(3)
    assert differences(good) == []
    lab.chain.rpc("evm_snapshot")
    [(column, signer)] = differences(bad)
    assert (column, signer.lower()) == ("signer of the voucher", hex0(impostor.address))
    lab.chain.rpc("anvil_setCode", hex0(payer.address), REVERTING)
    lab.chain.mine(3)
    [(column, signer)] = differences(good)
    assert (column, signer.lower()) == ("signer of the voucher", hex0(payer.owner))


def test_an_account_without_code_vouches_for_nothing(
    lab: Lab, differences: Callable[[models.Receipt], list[Any]]
) -> None:
    operator = Wallet(secrets.token_bytes(32))
    lab.send(lab.buyer, lab.contracts.payment_channel, channel_abi.encode_deposit_pool(ZERO_ADDRESS, lab.operator, 1))
    lab.chain.mine(3)
    one = receipt(lab, config_of(lab, IDENTITY, operator), operator, operator)
    assert tuple(column for column, _ in differences(one) if column.startswith("signer")) == ("signer of the voucher",)
