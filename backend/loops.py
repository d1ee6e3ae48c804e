"""The loops that run beside the requests of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


async def end(loops: Sequence[asyncio.Task[None]]) -> None:
    """Cancel loops and wait until they are over, whatever they end with."""
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
