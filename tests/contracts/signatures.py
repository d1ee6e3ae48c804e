"""Signatures that must not count, made from one that does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.contracts.world import sign

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def compact(signature: bytes) -> bytes:
    """The EIP-2098 form: 64 bytes, v in the highest bit of s."""
    s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32, "big")


def twin(signature: bytes) -> bytes:
    """The malleable twin with the high s, which `ecrecover` itself would take."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def malformed(signature: bytes) -> dict[str, bytes]:
    """The same signature, spoilt."""
    return {
        "nothing": b"",
        "a byte short": signature[:-2],
        "a byte too many": signature + b"\0",
        "zeros": bytes(65),
        "no such v": signature[:64] + b"\0",
        "high s": twin(signature),
    }


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return "0x" + "0" * 37 + "bad"


def forged(
    signer: Any, others: Iterable[Any], domain: dict[str, Any], name: str, message: dict[str, Any]
) -> dict[str, bytes]:
    """Signatures that must not count where `signer`'s of `message` does, by what is wrong with them.

    Other keys; another contract, chain, name and version; another value in each field; and spoilt bytes.
    """
    wrong = {f"by {other.address}": sign(other, domain, name, message) for other in others}
    for part, value in domain.items():
        changed = f"{value}0" if part in {"name", "version"} else _other(value)
        wrong[f"other {part}"] = sign(signer, domain | {part: changed}, name, message)
    for field, value in message.items():
        wrong[f"other {field}"] = sign(signer, domain, name, message | {field: _other(value)})
    return wrong | malformed(sign(signer, domain, name, message))
