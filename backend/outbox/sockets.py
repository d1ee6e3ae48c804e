"""How many WebSockets of one process are open: for one who has them, an account or a guest's IP, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Sockets:
    """Counts connections by who has them. Used by one event loop, so nothing is locked."""

    __slots__ = ("_all", "_count", "_each", "_open")

    def __init__(self, *, each: int, in_all: int | None = None) -> None:
        self._each, self._all = each, in_all
        self._open: Counter[Hashable] = Counter()
        self._count = 0

    def enter(self, who: Hashable) -> bool:
        """Count one connection more; False, and nothing counted, where there are too many."""
        if self._open[who] >= self._each or (self._all is not None and self._count >= self._all):
            return False
        self._open[who] += 1
        self._count += 1
        return True

    def leave(self, who: Hashable) -> None:
        """Count one connection less."""
        self._open[who] -= 1
        self._count -= 1
        if not self._open[who]:
            del self._open[who]
