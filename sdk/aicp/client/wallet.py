"""A key that signs. It never leaves the process and is never printed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from aicp.abi.signing import InvalidKeyError, address_of, sign
from aicp.client.errors import ClientError
from aicp.rules.primitives import checksum, keccak


class Wallet:
    """An account with its private key."""

    __slots__ = ("_key", "address")

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes of private key. Raises ClientError when they are not one."""
        try:
            self.address: bytes = address_of(key)
        except InvalidKeyError as error:
            raise ClientError("A private key is 32 bytes, in hex 64 digits.") from error
        self._key = key

    @classmethod
    def from_key(cls, text: str) -> Wallet:
        """Read a private key in hex, with or without 0x. Raises ClientError for anything else."""
        try:
            return cls(bytes.fromhex(text.strip().removeprefix("0x")))
        except ValueError as error:
            raise ClientError("A private key is 32 bytes, in hex 64 digits.") from error

    @classmethod
    def from_keystore(cls, path: Path, password: str) -> Wallet:
        """Decrypt a Web3 Secret Storage file. Raises ClientError for a wrong password or a wrong file."""
        from eth_account import Account

        try:
            return cls(bytes(Account.decrypt(json.loads(path.read_text(encoding="utf-8")), password)))
        except OSError as error:
            raise ClientError(f"The keystore {path} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ClientError(f"The keystore {path} does not open with this password.") from error

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Wallet:
        """Read AICP_KEY, or AICP_KEYSTORE with AICP_KEYSTORE_PASSWORD or AICP_KEYSTORE_PASSWORD_FILE.

        Raises ClientError where neither is there, or what they name does not open.
        """
        if key := environ.get("AICP_KEY"):
            return cls.from_key(key)
        keystore = environ.get("AICP_KEYSTORE")
        if not keystore:
            raise ClientError("No wallet: set AICP_KEY, or AICP_KEYSTORE and AICP_KEYSTORE_PASSWORD.")
        password = environ.get("AICP_KEYSTORE_PASSWORD")
        if password is None and (password_file := environ.get("AICP_KEYSTORE_PASSWORD_FILE")):
            try:
                password = Path(password_file).read_text(encoding="utf-8").rstrip("\n")
            except OSError as error:
                raise ClientError(f"The password file {password_file} cannot be read: {error.strerror}.") from error
        return cls.from_keystore(Path(keystore), password or "")

    @classmethod
    def random(cls) -> Wallet:
        """Make a new key, for example for a session."""
        return cls(secrets.token_bytes(32))

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the 65-byte signature of an EIP-712 digest. Raises ValueError unless it has 32 bytes."""
        return sign(digest, self._key)

    def sign_text(self, text: str) -> bytes:
        """Return the EIP-191 signature of a text, as `personal_sign` makes it."""
        body = text.encode()
        return self.sign_digest(keccak(b"\x19Ethereum Signed Message:\n%d" % len(body) + body))

    def secret_key(self) -> bytes:
        """Return the private key, for storing a session key or signing a raw transaction."""
        return self._key

    def __repr__(self) -> str:
        return f"Wallet({checksum(self.address)})"
