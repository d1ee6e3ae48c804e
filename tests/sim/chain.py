"""A tree of blocks: mine on any of them, choose which branch the world follows and how far it is final.

Pure: no sockets, no clock. A block keeps the state of the world after it, so every branch goes on from its own past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aicp.rules.primitives import keccak

_BITS: Final = 2048
GENESIS_TIME: Final = 1_800_000_000
State = dict[Any, Any]
"""A flat dictionary whose values are never changed in place, so that a shallow copy is a snapshot."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A log before it has a place."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """A mined transaction: the number of the intent behind it, its hash, what it emitted."""

    intent: int
    hash: bytes
    logs: tuple[Emitted, ...]


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log of a block, as eth_getLogs tells it."""

    block_number: int
    block_hash: bytes
    block_time: int
    tx_hash: bytes
    tx_index: int
    log_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Mined:
    """A block with everything in it."""

    number: int
    hash: bytes
    parent: Mined | None
    time: int
    bloom: int
    transactions: tuple[Transaction, ...]
    logs: tuple[PlacedLog, ...]
    state: State = field(compare=False, repr=False)

    @property
    def parent_hash(self) -> bytes:
        """The hash of the block before, 32 zeros for the first one."""
        return bytes(32) if self.parent is None else self.parent.hash


def _mask(value: bytes, masks: dict[bytes, int] = {}) -> int:  # noqa: B006  # a memory for the whole process
    known = masks.get(value)
    if known is None:
        digest = keccak(value)
        known = 0
        for offset in (0, 2, 4):
            known |= 1 << (int.from_bytes(digest[offset : offset + 2], "big") % _BITS)
        masks[value] = known
    return known


def make_block(
    parent: Mined | None, time: int, transactions: Sequence[Transaction], state: State, salt: bytes
) -> Mined:
    """Return a block on `parent`. Different salts make different blocks of the same content."""
    number = 0 if parent is None else parent.number + 1
    before = bytes(32) if parent is None else parent.hash
    content = b"".join(t.hash for t in transactions)
    block_hash = keccak(before + number.to_bytes(8, "big") + time.to_bytes(8, "big") + salt + content)
    bloom = 0
    logs: list[PlacedLog] = []
    for index, transaction in enumerate(transactions):
        for log in transaction.logs:
            for value in (log.address, *log.topics):
                bloom |= _mask(value)
            logs.append(
                PlacedLog(
                    block_number=number,
                    block_hash=block_hash,
                    block_time=time,
                    tx_hash=transaction.hash,
                    tx_index=index,
                    log_index=len(logs),
                    address=log.address,
                    topics=log.topics,
                    data=log.data,
                )
            )
    return Mined(number, block_hash, parent, time, bloom, tuple(transactions), tuple(logs), state)


class Chain:
    """Every block there ever was, the branch nodes follow, and the marks of finality on it."""

    def __init__(self, state: Mapping[Any, Any] | None = None) -> None:
        genesis = make_block(None, GENESIS_TIME, (), dict(state or {}), b"genesis")
        self.by_hash: dict[bytes, Mined] = {genesis.hash: genesis}
        self.genesis = genesis
        self.path: list[Mined] = [genesis]
        """The followed branch by number."""
        self.safe = 0
        self.final = 0

    @property
    def head(self) -> Mined:
        """The newest block of the followed branch."""
        return self.path[-1]

    def add(self, block: Mined) -> None:
        """Keep a block; nobody follows it by that alone."""
        self.by_hash[block.hash] = block

    def follow(self, head: Mined) -> int:
        """Follow the branch of a block from now on; return how many blocks of the former one were left.

        Raises ValueError for a branch that leaves below the finalised block: only a test of that does it, by `force`.
        """
        path = branch(head)
        shared = 0
        for ours, theirs in zip(self.path, path, strict=False):
            if ours.hash != theirs.hash:
                break
            shared += 1
        if shared <= self.final:
            raise ValueError("this branch leaves below the finalised block")
        left = len(self.path) - shared
        self.path = path
        self.safe = min(self.safe, shared - 1)
        return left

    def force(self, head: Mined) -> None:
        """Follow a branch whatever was final: what a chain must never do, and sometimes does."""
        self.path = branch(head)
        self.safe, self.final = min(self.safe, head.number), min(self.final, head.number)

    def finalise(self, safe: int, final: int) -> None:
        """Move the marks up; they never fall."""
        self.final = max(self.final, min(final, self.head.number))
        self.safe = max(self.safe, self.final, min(safe, self.head.number))


def branch(head: Mined) -> list[Mined]:
    """Return the blocks from the first one to `head`."""
    path: list[Mined] = []
    block: Mined | None = head
    while block is not None:
        path.append(block)
        block = block.parent
    path.reverse()
    return path
