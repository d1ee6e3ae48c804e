"""Ports to private keys: in this process, from the settings or from an encrypted file, or behind a signing service.

Whatever holds a key signs 32-byte digests and nothing else. A service may be slow, down or wrong: its signature counts
only if it recovers to the key's address, and a failure is `SignerUnavailable`, before any nonce is taken.
"""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
from eth_keyfile.keyfile import decode_keyfile_json

from aicp.abi.signing import SignatureError, SigningKey, recover

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class SignerUnavailable(Exception):  # noqa: N818  # a fact about the signer, not about what is signed
    """No valid signature within the deadline; nothing was signed that anybody knows of."""


class CannotDeriveError(KeyError):
    """The key signs, but its holder derives no secrets from it."""


class Signer(Protocol):
    """What holds one key."""

    @property
    def address(self) -> bytes:
        """Whose key it is."""

    def sign(self, digest: bytes) -> bytes:
        """Return 65 bytes (r, s, v 27 or 28), s low. Raises SignerUnavailable."""

    def derive(self, purpose: bytes) -> bytes:
        """Return 32 secret bytes that follow from the key and a purpose. Raises CannotDeriveError."""


class LocalKey:
    """A key in this process."""

    def __init__(self, private_key: bytes) -> None:
        """Raises aicp.abi.signing.InvalidKeyError."""
        self._key = SigningKey(private_key)
        self._secret = private_key

    @classmethod
    def from_hex(cls, text: str) -> LocalKey:
        """Return the key of 64 hex digits, with or without 0x."""
        return cls(bytes.fromhex(text.removeprefix("0x")))

    @classmethod
    def from_keystore(cls, path: Path, password: str) -> LocalKey:
        """Return the key of an encrypted file (Web3 Secret Storage). Raises ValueError for a wrong password or file."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(decode_keyfile_json(content, password.encode()))  # type: ignore[arg-type]  # it takes bytes only
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise ValueError(f"the keystore {path.name} cannot be opened: {type(error).__name__}") from error

    @property
    def address(self) -> bytes:
        """Whose key it is."""
        return self._key.address

    def sign(self, digest: bytes) -> bytes:
        """Return 65 bytes (r, s, v 27 or 28)."""
        return self._key.sign(digest)

    def derive(self, purpose: bytes) -> bytes:
        """Return 32 secret bytes that follow from the key and a purpose."""
        return hmac.digest(self._secret, purpose, "sha256")

    def __repr__(self) -> str:
        return f"LocalKey(0x{self.address.hex()})"


class RemoteKey:
    """A key behind a signing service over HTTP, in the shape of a key management service.

    POST {"address": "0x..", "digest": "0x.."} is answered by {"signature": "0x.."}: r and s, 64 bytes, with or without
    v. Such services know neither v nor low s, so both are found here, and what does not recover to the address is
    refused.
    """

    def __init__(self, address: bytes, url: str, *, token: str = "", timeout_seconds: float = 5.0) -> None:
        self._address = address
        self._url = url
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(timeout=timeout_seconds, headers=headers)

    @property
    def address(self) -> bytes:
        """Whose key it is."""
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """Return 65 bytes (r, s, v 27 or 28), s low. Raises SignerUnavailable."""
        body = {"address": "0x" + self._address.hex(), "digest": "0x" + digest.hex()}
        try:
            response = self._http.post(self._url, json=body)
            answer: Any = response.raise_for_status().json()
            made = bytes.fromhex(answer["signature"].removeprefix("0x"))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignerUnavailable(f"the signing service does not sign: {type(error).__name__}") from error
        return self._completed(digest, made)

    def _completed(self, digest: bytes, made: bytes) -> bytes:
        if len(made) not in {64, 65}:
            raise SignerUnavailable("the signing service answers with no signature")
        s = int.from_bytes(made[32:64])
        if not 0 < s < _ORDER:
            raise SignerUnavailable("the signing service answers with no signature")
        low = made[:32] + min(s, _ORDER - s).to_bytes(32)
        for v in (27, 28):
            try:
                if recover(digest, low + bytes((v,))) == self._address:
                    return low + bytes((v,))
            except SignatureError:
                continue
        raise SignerUnavailable("the signing service signs with another key")

    def derive(self, purpose: bytes) -> bytes:  # noqa: ARG002  # the port's shape
        """Raises CannotDeriveError: nothing but signatures leaves the service."""
        raise CannotDeriveError(f"0x{self._address.hex()} is not in this process")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __repr__(self) -> str:
        return f"RemoteKey(0x{self._address.hex()})"
