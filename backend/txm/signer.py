"""The relayer keys of this process, and EIP-1559 transactions signed with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aicp.rules.primitives import checksum, hex0x
from backend.txm import eip1559
from backend.txm.eip1559 import AccessList, Call, Signed
from backend.txm.fees import Fees
from backend.txm.keys import RemoteKey, Signer


def to_json(access_list: AccessList) -> list[dict[str, Any]]:
    """Return an access list as nodes spell it."""
    return [
        {"address": checksum(address), "storageKeys": [hex0x(key) for key in keys]} for address, keys in access_list
    ]


class Keyring:
    """Signs for its addresses; the keys never leave their ports."""

    def __init__(self, chain_id: int, signers: Sequence[Signer]) -> None:
        self.chain_id = chain_id
        self._signers = {signer.address: signer for signer in signers}

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The relayer addresses in the order of the settings."""
        return tuple(self._signers)

    def sign(self, account: bytes, nonce: int, call: Call, fees: Fees) -> Signed:
        """Return the signed transaction. Raises SignerUnavailable, and KeyError where the key is not here."""
        return eip1559.signed(self.chain_id, nonce, call, fees, self._signers[account].sign)

    def derive(self, account: bytes, purpose: bytes) -> bytes:
        """Return 32 secret bytes that follow from an account's key and a purpose. Raises KeyError."""
        return self._signers[account].derive(purpose)

    def close(self) -> None:
        """Close what remote keys hold open."""
        for signer in self._signers.values():
            if isinstance(signer, RemoteKey):
                signer.close()

    def __repr__(self) -> str:
        return f"Keyring({', '.join('0x' + address.hex() for address in self._signers)})"
