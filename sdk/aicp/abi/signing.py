"""Signing and recovering on the hot path: one digest in, one signature or address out.

Signatures are 65 bytes, r, s and v, with s in the lower half of the order and v 27 or 28; the contracts and the token
accept nothing else, so that a signature has exactly one spelling.
"""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey, PublicKey

from aicp.abi.runtime import keccak

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _ORDER // 2
_V_BIT: Final = 1 << 255


class SignatureError(ValueError):
    """A signature or key that nobody may accept."""


class MalformedSignatureError(SignatureError):
    """Wrong length, r or s out of range, high s, or v other than 27 and 28."""


class UnrecoverableSignatureError(SignatureError):
    """Well formed, but of no public key."""


class InvalidKeyError(SignatureError):
    """Not a private key of secp256k1."""


def _key(private_key: bytes) -> PrivateKey:
    if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < _ORDER:
        raise InvalidKeyError("a private key is 32 bytes, above zero and below the order")
    return PrivateKey(private_key)


def _address(public_key: PublicKey) -> bytes:
    return keccak(public_key.format(compressed=False)[1:])[12:]


def address_of(private_key: bytes) -> bytes:
    """Return the 20-byte address of a private key. Raises InvalidKeyError."""
    return _address(_key(private_key).public_key)


class SigningKey:
    """A private key that signs often: what depends on the key alone is computed once. It never leaves this object."""

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        """Raises InvalidKeyError."""
        self._key = _key(private_key)
        self.address: bytes = _address(self._key.public_key)

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; deterministic (RFC 6979), low s. Raises ValueError."""
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        raw = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((raw[64] + 27,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"


def sign(digest: bytes, private_key: bytes) -> bytes:
    """Sign a 32-byte digest; deterministic (RFC 6979), low s. Raises InvalidKeyError or ValueError."""
    return SigningKey(private_key).sign(digest)


def recover(digest: bytes, signature: bytes) -> bytes:
    """Return the 20-byte address that signed a digest.

    Raises MalformedSignatureError or UnrecoverableSignatureError (both SignatureError), never returns a zero address.
    """
    if len(digest) != 32:
        raise ValueError("a digest has 32 bytes")
    if len(signature) != 65:
        raise MalformedSignatureError(f"a signature has 65 bytes, not {len(signature)}")
    if signature[64] not in (27, 28):
        raise MalformedSignatureError("v is 27 or 28")
    if not 0 < int.from_bytes(signature[:32], "big") < _ORDER:
        raise MalformedSignatureError("r is out of range")
    if not 0 < int.from_bytes(signature[32:64], "big") <= _HALF_ORDER:
        raise MalformedSignatureError("s is out of range or in the upper half")
    compact = signature[:64] + bytes((signature[64] - 27,))
    try:
        return _address(PublicKey.from_signature_and_message(compact, digest, hasher=None))
    except Exception as error:  # coincurve raises a bare Exception when no point matches
        raise UnrecoverableSignatureError("no key has made this signature") from error


def to_compact(signature: bytes) -> bytes:
    """Return the 64-byte EIP-2098 form (r, vs) of a 65-byte signature. Raises MalformedSignatureError."""
    if len(signature) != 65 or signature[64] not in (27, 28) or signature[32] >= 0x80:
        raise MalformedSignatureError("not a 65-byte low-s signature")
    vs = int.from_bytes(signature[32:64], "big") | (_V_BIT if signature[64] == 28 else 0)
    return signature[:32] + vs.to_bytes(32, "big")


def from_compact(compact: bytes) -> bytes:
    """Return the 65-byte form of a 64-byte EIP-2098 signature. Raises MalformedSignatureError."""
    if len(compact) != 64:
        raise MalformedSignatureError("a compact signature has 64 bytes")
    vs = int.from_bytes(compact[32:], "big")
    v = 28 if vs & _V_BIT else 27
    return compact[:32] + (vs & (_V_BIT - 1)).to_bytes(32, "big") + bytes((v,))
