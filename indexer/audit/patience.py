"""The audit's chain: a long audit outlives a node that fails for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from indexer.chain.errors import InconsistentNodeError, RateLimitedError, RpcError, TransportError
from indexer.chain.node import Node, Range, Tip
from indexer.core.chain_view import Block

T = TypeVar("T")
WAITS: Final = (0.5, 1.0, 2.0, 4.0)
_PASSING = (TransportError, RateLimitedError, InconsistentNodeError)


@dataclass(frozen=True, slots=True)
class Refused:
    """A view that reverted, in the contract's words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Patient:
    """A node whose passing failures are waited out, `waits` seconds each. Raises the last ChainError after that."""

    node: Node
    waits: Sequence[float] = WAITS

    def tip(self) -> Tip:
        """Return the newest, safe and finalised headers."""
        return self._try(self.node.tip)

    def block(self, number: int) -> Block:
        """Return the block at a height."""
        return self._try(lambda: self.node.header(number).block)

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return the blocks at these heights."""
        return [header.block for header in self._try(lambda: self.node.headers(numbers))]

    def logs_between(self, first: int, last: int) -> Range:
        """Return our logs of a stretch of blocks."""
        return self._try(lambda: self.node.logs_between(first, last))

    def view_calls(self, calls: Sequence[tuple[bytes, bytes]], block_hash: bytes) -> list[bytes | Refused]:
        """Return what the contracts answer, or that they refuse: one refusal does not take the others with it."""
        try:
            return list(self._try(lambda: self.node.view_calls(calls, block_hash)))
        except RpcError as error:
            if "revert" not in str(error).lower():
                raise
            if len(calls) == 1:
                return [Refused(str(error))]
        middle = len(calls) // 2
        return self.view_calls(calls[:middle], block_hash) + self.view_calls(calls[middle:], block_hash)

    def _try(self, ask: Callable[[], T]) -> T:
        for wait in self.waits:
            try:
                return ask()
            except _PASSING:
                time.sleep(wait)
        return ask()
