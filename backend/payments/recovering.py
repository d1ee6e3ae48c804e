"""Checks voucher signatures at the speed of the curve: digest from cached words, key recovered, compared.

The key is always recovered, never verified against a known one: verifying does not look at v, and a signature with
the other v recovers to another address on chain, where its row would be skipped and its receiver unpaid. What is
cached is only the comparison: a recovered key that equals the one seen before needs no hash to become an address.
"""

from __future__ import annotations

from typing import Final

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT
from sha3 import keccak_256

from aicp.abi.runtime import Domain
from aicp.abi.typed_data import Voucher
from backend.payments.outcomes import Code

HALF_ORDER: Final = bytes.fromhex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")
_UNCOMPRESSED: Final = 2
_LENGTH: Final = 65


class Signer:
    """Who signs the vouchers of a channel, with the channel's half of the message."""

    __slots__ = ("address", "key", "words")

    def __init__(self, channel_id: bytes, address: bytes) -> None:
        self.address = address
        self.words = Voucher.TYPE_HASH + channel_id
        self.key: bytes | None = None
        """The public key as the library holds it, once a signature has recovered to the address."""


def shape_problem(signature: bytes) -> Code | None:
    """Return what is wrong with a signature before any curve is asked: length, v, or s in the upper half."""
    if len(signature) != _LENGTH:
        return Code.MALFORMED
    if signature[64] not in (27, 28):
        return Code.BAD_V
    return Code.HIGH_S if signature[32:64] > HALF_ORDER else None


class Recoverer:
    """Recovers keys into memory of its own; one thread at a time may use an instance."""

    __slots__ = ("_context", "_domain", "_key", "_key_bytes", "_length", "_out", "_parsed")

    def __init__(self, domain: Domain) -> None:
        self._domain = b"\x19\x01" + domain.separator()
        self._context = GLOBAL_CONTEXT.ctx
        self._parsed = ffi.new("secp256k1_ecdsa_recoverable_signature *")
        self._key = ffi.new("secp256k1_pubkey *")
        self._key_bytes = ffi.buffer(self._key)
        self._out = ffi.new("unsigned char[65]")
        self._length = ffi.new("size_t *", _LENGTH)

    def problem(self, signer: Signer, ceiling_units: int, signature: bytes) -> Code | None:
        """Return why a well-shaped signature is not the signer's over this ceiling, None where it is."""
        digest = keccak_256(
            self._domain + keccak_256(signer.words + ceiling_units.to_bytes(32, "big")).digest()
        ).digest()
        context = self._context
        if not lib.secp256k1_ecdsa_recoverable_signature_parse_compact(
            context, self._parsed, signature, signature[64] - 27
        ):
            return Code.MALFORMED  # r or s is out of range
        if not lib.secp256k1_ecdsa_recover(context, self._key, self._parsed, digest):
            return Code.WRONG_SIGNER  # r is no point's, or the key would be the point at infinity
        key: bytes = self._key_bytes[:]
        if key == signer.key:
            return None
        self._length[0] = _LENGTH
        lib.secp256k1_ec_pubkey_serialize(context, self._out, self._length, self._key, _UNCOMPRESSED)
        if keccak_256(ffi.buffer(self._out, _LENGTH)[1:]).digest()[12:] != signer.address:
            return Code.WRONG_SIGNER
        signer.key = key
        return None
