"""Ethereum's 2048-bit log bloom: proof that a block cannot, or a hint that it may, hold logs of an address."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from aicp.rules.primitives import keccak

_BITS = 2048


@lru_cache(maxsize=4096)
def mask(value: bytes) -> int:
    """Return the three bits an address or topic sets, as an integer of 2048 bits."""
    digest = keccak(value)
    bits = 0
    for offset in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[offset : offset + 2], "big") % _BITS)
    return bits


def may_contain(bloom: int, value: bytes) -> bool:
    """Return False only if no log of the block carries this address or topic."""
    wanted = mask(value)
    return bloom & wanted == wanted


def bloom_of(values: Iterable[bytes]) -> int:
    """Return the bloom of logs that carry just these addresses and topics."""
    bits = 0
    for value in values:
        bits |= mask(value)
    return bits
