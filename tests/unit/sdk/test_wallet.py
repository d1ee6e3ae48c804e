from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from aicp.client.errors import ClientError
from aicp.client.wallet import Wallet
from aicp.rules.primitives import checksum, keccak

KEY = keccak(b"a key")


def test_texts_are_signed_as_wallets_do() -> None:
    wallet = Wallet(KEY)
    text = "Ä text\nof two lines"
    assert Account.recover_message(encode_defunct(text=text), signature=wallet.sign_text(text)) == checksum(
        wallet.address
    )


def test_keys_from_hex_keystore_and_environment(tmp_path: Path) -> None:
    wallet = Wallet(KEY)
    assert Wallet.from_key(KEY.hex()).address == Wallet.from_key("0x" + KEY.hex() + "\n").address == wallet.address
    path, secret = tmp_path / "key.json", tmp_path / "password"
    path.write_text(json.dumps(Account.encrypt(KEY, "open sesame", iterations=2)), encoding="utf-8")
    secret.write_text("open sesame\n", encoding="utf-8")
    assert Wallet.from_keystore(path, "open sesame").address == wallet.address
    assert Wallet.from_env({"AICP_KEY": KEY.hex()}).address == wallet.address
    keystore = {"AICP_KEYSTORE": str(path)}
    assert Wallet.from_env(keystore | {"AICP_KEYSTORE_PASSWORD_FILE": str(secret)}).address == wallet.address
    with pytest.raises(ClientError, match="password"):
        Wallet.from_env(keystore | {"AICP_KEYSTORE_PASSWORD": "wrong"})


@pytest.mark.parametrize("text", ["", "0x12", "zz" * 32, "00" * 32, "ff" * 32])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ClientError, match="64 digits"):
        Wallet.from_key(text)


def test_nothing_prints_the_key() -> None:
    wallet = Wallet(KEY)
    assert KEY.hex() not in repr(wallet)
    assert KEY.hex() not in f"{wallet}"
    with pytest.raises(ClientError, match="No wallet"):
        Wallet.from_env({})
