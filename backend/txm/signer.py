"""The relayer keys of this process, and EIP-1559 transactions signed with them."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, TypeAlias

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from aicp.abi.signing import address_of
from aicp.rules.primitives import checksum, hex0x
from backend.txm.fees import Fees

AccessList: TypeAlias = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Addresses with storage keys of 32 bytes that a transaction names beforehand (EIP-2930)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a transaction does. `gas_limit` in gas units."""

    to: bytes
    data: bytes
    gas_limit: int
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """A raw transaction and its hash."""

    raw: bytes
    tx_hash: bytes


def to_json(access_list: AccessList) -> list[dict[str, Any]]:
    """Return an access list as nodes and signers spell it."""
    return [
        {"address": checksum(address), "storageKeys": [hex0x(key) for key in keys]} for address, keys in access_list
    ]


def access_list_of(raw: bytes) -> AccessList:
    """Return the access list of a transaction this module has signed."""
    listed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["accessList"]
    return tuple(
        (bytes(row["address"]), tuple(key.to_bytes(32, "big") for key in row["storageKeys"])) for row in listed
    )


class Keyring:
    """Signs for its addresses; the keys never leave this object."""

    def __init__(self, chain_id: int, keys: list[str]) -> None:
        self.chain_id = chain_id
        raw_keys = [bytes.fromhex(key.removeprefix("0x")) for key in keys]
        self._keys = {address_of(key): key for key in raw_keys}

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The relayer addresses in the order of the settings."""
        return tuple(self._keys)

    def sign(self, account: bytes, nonce: int, call: Call, fees: Fees) -> Signed:
        """Return the signed transaction. Raises KeyError for an account whose key is not here."""
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": nonce,
            "to": checksum(call.to),
            "value": 0,
            "data": call.data,
            "gas": call.gas_limit,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.tip_wei,
        }
        if call.access_list:
            transaction["accessList"] = to_json(call.access_list)
        signed = Account.sign_transaction(transaction, self._keys[account])
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash))

    def derive(self, account: bytes, purpose: bytes) -> bytes:
        """Return 32 secret bytes that follow from an account's key and a purpose. Raises KeyError."""
        return hmac.digest(self._keys[account], purpose, "sha256")

    def __repr__(self) -> str:
        return f"Keyring({', '.join('0x' + address.hex() for address in self._keys)})"
