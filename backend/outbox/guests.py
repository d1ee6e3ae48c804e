"""How many WebSockets of one process are open without a ticket: in all, and for one IP."""

from __future__ import annotations

from collections import Counter


class Guests:
    """Counts connections that speak for nobody. Used by one event loop, so nothing is locked."""

    __slots__ = ("_all", "_count", "_each", "_open")

    def __init__(self, *, in_all: int, each: int) -> None:
        self._all, self._each = in_all, each
        self._open: Counter[str] = Counter()
        self._count = 0

    def enter(self, ip: str) -> bool:
        """Count one more connection of an IP; False, and nothing counted, where there are too many."""
        if self._open[ip] >= self._each or self._count >= self._all:
            return False
        self._open[ip] += 1
        self._count += 1
        return True

    def leave(self, ip: str) -> None:
        """Count one connection less."""
        self._open[ip] -= 1
        self._count -= 1
        if not self._open[ip]:
            del self._open[ip]
