"""One way to ask whether a message was signed by whom it binds."""

from __future__ import annotations

from aicp.abi.runtime import Domain, EncodeError, TypedMessage
from aicp.abi.signing import SignatureError, recover
from backend.errors import InvalidInput, InvalidSignature


def require_signer(message: TypedMessage, domain: Domain, signature: bytes, signer: bytes) -> bytes:
    """Return the message's digest. Raises InvalidSignature unless `signer` has signed it in `domain`."""
    try:
        digest = message.digest(domain)
    except EncodeError as error:
        raise InvalidInput(str(error)) from error
    try:
        found = recover(digest, signature)
    except SignatureError as error:
        raise InvalidSignature(str(error)) from error
    if found != signer:
        raise InvalidSignature(f"Expected a signature of 0x{signer.hex()}, got one of 0x{found.hex()}.")
    return digest
