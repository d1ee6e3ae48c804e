"""The relayer keys of this process, and EIP-1559 transactions signed with them."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from aicp.abi.signing import address_of
from aicp.rules.primitives import checksum
from backend.txm.fees import Fees


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a transaction does. `gas_limit` in gas units."""

    to: bytes
    data: bytes
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A raw transaction and its hash."""

    raw: bytes
    tx_hash: bytes


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
        signed = Account.sign_transaction(transaction, self._keys[account])
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash))

    def derive(self, account: bytes, purpose: bytes) -> bytes:
        """Return 32 secret bytes that follow from an account's key and a purpose. Raises KeyError."""
        return hmac.digest(self._keys[account], purpose, "sha256")

    def __repr__(self) -> str:
        return f"Keyring({', '.join('0x' + address.hex() for address in self._keys)})"
