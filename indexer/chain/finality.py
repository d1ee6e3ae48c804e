"""Which blocks are final: by the node's `safe` and `finalized` tags, by depth only where no node knows such tags.

Invariants: once a tag was answered, blocks are never counted again: a failing tag leaves the last finalised block where
it is, and what is not final stays so. A node that says it does not know the tags is asked again later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from indexer.chain.errors import ChainError, InconsistentNodeError, UnknownTagError
from indexer.chain.pool import Providers
from indexer.chain.provider import Call
from indexer.chain.wire import Header, decode_header
from indexer.core.chain_view import Block

_log = structlog.get_logger("indexer.chain")
_CALLS: Final = tuple(Call("eth_getBlockByNumber", (tag, False)) for tag in ("latest", "safe", "finalized"))
ASK_AGAIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Tip:
    """A node's newest, safe and finalised headers, read in one batch; `doubt` says why the latter two are old."""

    head: Header
    safe: Header
    final: Header
    doubt: str = ""


class Finality:
    """See the module's docstring. `clock` counts seconds."""

    def __init__(self, providers: Providers, depth: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._providers = providers
        self._depth = depth
        self._clock = clock
        self._last: tuple[Header, Header] | None = None
        self._count_until: float | None = None

    def tip(self, known_final: Block | None) -> Tip:
        """Return the newest, safe and finalised headers. Raises ChainError."""
        if self._count_until is not None and self._clock() < self._count_until:
            return self._counted()
        answers = self._providers.answers(_CALLS, near_head=True)
        doubt = _doubt(answers)
        if doubt is None:
            return self._by_tags([_header(answer) for answer in answers])
        if isinstance(doubt, UnknownTagError) and self._last is None:
            for results in self._providers.opinions(_CALLS):
                if (found := [decode_header(raw) for raw in results]) and all(found):
                    return self._by_tags([header for header in found if header is not None])
            self._count_until = self._clock() + ASK_AGAIN_SECONDS
            _log.warning("no finality tags, counting blocks instead", depth=self._depth, error=str(doubt))
            return self._counted()
        if self._last is not None:
            safe, final = self._last
        elif known_final is not None:
            safe = final = Header(known_final, 0)
        else:
            raise doubt
        return Tip(head=_header(answers[0]), safe=safe, final=final, doubt=str(doubt))

    def _by_tags(self, headers: Sequence[Header]) -> Tip:
        head, safe, final = headers
        if not final.block.number <= safe.block.number <= head.block.number:
            raise InconsistentNodeError("the node's finalised, safe and newest blocks are out of order")
        self._last, self._count_until = (safe, final), None
        return Tip(head=head, safe=safe, final=final)

    def _counted(self) -> Tip:
        [raw] = self._providers.batch(_CALLS[:1], near_head=True)
        head = _header(raw)
        number = max(0, head.block.number - self._depth)
        final = _header(self._providers.call("eth_getBlockByNumber", hex(number), False))
        if final.block.number != number:
            raise InconsistentNodeError(f"asked for block {number}, got {final.block.number}")
        return Tip(head=head, safe=final, final=final)


def _doubt(answers: Sequence[bytes | ChainError]) -> ChainError | None:
    """Return why the tags cannot be used: an error, or that they name no block."""
    for answer in answers[1:]:
        if isinstance(answer, ChainError):
            return answer
        if decode_header(answer) is None:
            return UnknownTagError("eth_getBlockByNumber", 0, "the tag names no block")
    return None


def _header(answer: bytes | ChainError) -> Header:
    if isinstance(answer, ChainError):
        raise answer
    header = decode_header(answer)
    if header is None:
        raise InconsistentNodeError("the node does not have its newest block")
    return header
