"""Ethereum's 2048-bit log bloom: proof that a block cannot, or a hint that it may, hold logs of an address."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Final

from aicp.rules.primitives import keccak

_BIT: Final = tuple(1 << number for number in range(2048))
_words: Final = Struct(">3H").unpack_from


@lru_cache(maxsize=8_192)
def mask(value: bytes) -> int:
    """Return the three bits an address or topic sets, as an integer of 2048 bits."""
    first, second, third = _words(keccak(value))
    bits: int = _BIT[first & 2047] | _BIT[second & 2047] | _BIT[third & 2047]
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
