"""Which rows may have been forgotten, in a fixed amount of memory. Pure.

A Bloom filter of two probes (Bloom 1970): it is never wrong about a key that was added. About one that was not it errs
once in a thousand after a million keys, once in fifteen after ten million; whoever asks then looks where the rows are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

_BITS: Final = 26
_MASK: Final = (1 << _BITS) - 1


class Forgotten:
    """Keys that were forgotten, and a few others; 8 MB."""

    def __init__(self) -> None:
        self._bits: Final = bytearray(1 << (_BITS - 3))

    def add(self, keys: Iterable[Hashable]) -> None:
        """Add keys."""
        bits = self._bits
        for key in keys:
            found = hash(key)
            one, other = found & _MASK, (found >> _BITS) & _MASK
            bits[one >> 3] |= 1 << (one & 7)
            bits[other >> 3] |= 1 << (other & 7)

    def __contains__(self, key: Hashable) -> bool:
        """Return False only for a key that was never added."""
        found = hash(key)
        one, other = found & _MASK, (found >> _BITS) & _MASK
        return bool(self._bits[one >> 3] >> (one & 7) & 1 and self._bits[other >> 3] >> (other & 7) & 1)
