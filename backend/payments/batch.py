"""Several vouchers of one request, on their way to one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.payments.outcomes import Code, Outcome, Refused


class Batch:
    """Vouchers that came together and are answered together. `count` is told of each outcome."""

    __slots__ = ("_count", "_finished", "_found", "_left")

    def __init__(self, size: int, count: Callable[[Outcome], None]) -> None:
        self._found: list[Outcome] = [Refused(Code.UNAVAILABLE)] * size
        self._left = size
        self._count = count
        self._finished = asyncio.Event()

    def told(self, index: int, outcome: Outcome) -> None:
        """Take what became of one of them."""
        self._count(outcome)
        self._found[index] = outcome
        self._left -= 1
        if not self._left:
            self._finished.set()

    async def whole(self) -> list[Outcome]:
        """Return what became of all of them, once it is known."""
        if self._left:
            await self._finished.wait()
        return self._found
