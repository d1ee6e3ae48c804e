"""The few value types everything shares: addresses, hashes, amounts, and their JSON spelling.

Inside Python and in the database an address is 20 bytes and a hash 32 bytes; in JSON an address is an EIP-55 string,
a hash a 0x-hex string, an amount a decimal string of base units (USDC has 6 decimals). No float ever holds an amount.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from aicp.abi.runtime import keccak

ZERO_ADDRESS: Final = bytes(20)
ZERO_HASH: Final = bytes(32)
USDC_DECIMALS: Final = 6
MAX_UINT96: Final = 2**96 - 1

_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_HEX_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_UNITS = re.compile(r"0|[1-9][0-9]{0,77}")
_USDC = re.compile(r"(0|[1-9][0-9]{0,27})(?:\.([0-9]{1,6}))?")
_RAISED = {(c, d): c.upper() if d > "7" else c for c in "0123456789abcdef" for d in "0123456789abcdef"}
"""A digit of an address in the case that EIP-55 gives it, by that digit and the one of the hash in its place."""


class Finality(StrEnum):
    """How sure a chain-backed answer is: `seen` in the newest block, `safe`, or `final` under the finalized tag."""

    SEEN = "seen"
    SAFE = "safe"
    FINAL = "final"


def parse_address(text: str) -> bytes:
    """Return the 20 bytes of a 0x address; mixed case must be the EIP-55 checksum. Raises ValueError."""
    if not _HEX_ADDRESS.fullmatch(text):
        raise ValueError(f"not an address: {text!r}")
    body = text[2:]
    if body not in (body.lower(), body.upper()) and checksum(bytes.fromhex(body)) != text:
        raise ValueError(f"address checksum does not match: {text!r}")
    return bytes.fromhex(body)


def checksum(address: bytes) -> str:
    """Return the EIP-55 spelling of an address. Raises ValueError unless it has 20 bytes."""
    if len(address) != 20:
        raise ValueError("an address has 20 bytes")
    body = address.hex()
    return "0x" + "".join(map(_RAISED.__getitem__, zip(body, keccak(body.encode()).hex(), strict=False)))


def parse_hash(text: str) -> bytes:
    """Return the 32 bytes of a 0x hash. Raises ValueError."""
    if not _HEX_HASH.fullmatch(text):
        raise ValueError(f"not a 32-byte hash: {text!r}")
    return bytes.fromhex(text[2:])


def parse_bytes(text: str) -> bytes:
    """Return the bytes of any 0x-hex string. Raises ValueError."""
    if not _HEX_BYTES.fullmatch(text):
        raise ValueError("not 0x-hex bytes")
    return bytes.fromhex(text[2:])


def hex0x(value: bytes) -> str:
    """Return the 0x-hex spelling of bytes."""
    return "0x" + value.hex()


def parse_units(text: str) -> int:
    """Return base units from their JSON decimal string (no sign, no fraction, no leading zero). Raises ValueError."""
    if not _UNITS.fullmatch(text):
        raise ValueError(f"not a base-unit amount: {text!r}")
    return int(text)


def parse_usdc(text: str) -> int:
    """Return base units from a human amount such as `25` or `0.40`.

    Raises ValueError for anything else, more than 6 decimals included: nothing is rounded.
    """
    match = _USDC.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a USDC amount: {text!r}")
    whole, fraction = match.groups()
    return int(whole) * 10**USDC_DECIMALS + int((fraction or "").ljust(USDC_DECIMALS, "0"))


def format_usdc(units: int) -> str:
    """Return a human amount with at least two decimals: 400000 is `0.40`, 9999999 is `9.999999`."""
    whole, fraction = divmod(units, 10**USDC_DECIMALS)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}"


def did(chain_id: int, address: bytes) -> str:
    """Return the decentralised identifier of an agent: did:pkh:eip155:<chain>:<address>. Raises ValueError."""
    return f"did:pkh:eip155:{chain_id}:{checksum(address)}"


__all__ = [
    "MAX_UINT96",
    "USDC_DECIMALS",
    "ZERO_ADDRESS",
    "ZERO_HASH",
    "Finality",
    "checksum",
    "did",
    "format_usdc",
    "hex0x",
    "keccak",
    "parse_address",
    "parse_bytes",
    "parse_hash",
    "parse_units",
    "parse_usdc",
]
