"""Who has signed, by the rules of the contracts: a plain key first, then a contract wallet (ERC-1271), if it says so.

A key is recovered here, from 65 or 64 bytes (EIP-2098). A contract wallet is asked at one block: it must answer the one
word that says yes. An account without code answers nothing, and no precompile that word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aicp.abi.runtime import encode_dynamic, keccak
from aicp.abi.signing import SignatureError, from_compact, recover
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.audit.patience import Patient, Refused

_SELECTOR: Final = keccak(b"isValidSignature(bytes32,bytes)")[:4]
_YES: Final = _SELECTOR.ljust(32, b"\0")
_COMPACT: Final = 64

Vouches = Callable[[bytes, bytes, bytes], bool]
"""Whether the contract at an address vouches for a digest and a signature."""


@dataclass(frozen=True, slots=True)
class Wallets:
    """Contract wallets as they are after one block."""

    chain: Patient
    block_hash: bytes

    def __call__(self, account: bytes, digest: bytes, signature: bytes) -> bool:
        """See `Vouches`. Raises ChainError."""
        calldata = _SELECTOR + encode_dynamic(("bytes32", "bytes"), (digest, signature))
        [answer] = self.chain.view_calls([(account, calldata)], self.block_hash)
        return not isinstance(answer, Refused) and answer[:32] == _YES


def key_of(digest: bytes, signature: bytes) -> bytes | None:
    """Return the address of the plain key that signed, None where there is none."""
    try:
        return recover(digest, from_compact(signature) if len(signature) == _COMPACT else signature)
    except SignatureError:
        return None


def signer_of(account: bytes, digest: bytes, signature: bytes, vouches: Vouches) -> bytes | None:
    """Return `account` if its key or its contract has signed, otherwise the key that did, None where there is none."""
    key = key_of(digest, signature)
    if account in (key, ZERO_ADDRESS):
        return key
    return account if vouches(account, digest, signature) else key
