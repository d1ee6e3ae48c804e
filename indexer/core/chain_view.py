"""The blocks we believe in above the finalised one: extend, go back to a common ancestor, finalise.

Invariant: `tail` holds every block after `final`, each the child of the one before it. Nothing here ever changes
`final` except `finalise`, and only to a block of the tail; a chain that leaves below it is `TooDeepError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ChainViewError(Exception):
    """Base of what a chain view refuses."""


class NotAChildError(ChainViewError):
    """A block whose parent is not our head, or whose number does not follow."""


class TooDeepError(ChainViewError):
    """The other chain leaves ours below the finalised block. Stop and page; write nothing."""


class UnknownBlockError(ChainViewError):
    """A block number or hash outside the window."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place in a chain; `time` in unix seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class ChainView:
    """The finalised block and, in order, every block after it."""

    final: Block
    tail: tuple[Block, ...] = ()

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.tail[-1] if self.tail else self.final

    def at(self, number: int) -> Block | None:
        """Return our block at this height, or None outside the window."""
        if number == self.final.number:
            return self.final
        index = number - self.final.number - 1
        return self.tail[index] if 0 <= index < len(self.tail) else None

    def holds(self, block: Block) -> bool:
        """Return whether this very block is in the window."""
        ours = self.at(block.number)
        return ours is not None and ours.hash == block.hash

    def extend(self, block: Block) -> ChainView:
        """Return the view with a child of its head. Raises NotAChildError for anything else."""
        if block.number != self.head.number + 1 or block.parent_hash != self.head.hash:
            raise NotAChildError(f"block {block.number} does not follow block {self.head.number}")
        return ChainView(self.final, (*self.tail, block))

    def revert_to(self, ancestor: Block) -> ChainView:
        """Return the view with `ancestor` as its head. Raises UnknownBlockError when it is not in the window."""
        if not self.holds(ancestor):
            raise UnknownBlockError(f"block {ancestor.number} is not in the window")
        return ChainView(self.final, self.tail[: ancestor.number - self.final.number])

    def finalise(self, number: int, block_hash: bytes) -> ChainView:
        """Return the view with this block as `final`; an older number changes nothing.

        Raises UnknownBlockError above the head, and NotAChildError when the finalised hash is not ours: then a reorg
        has to be followed first.
        """
        if number <= self.final.number:
            return self
        block = self.at(number)
        if block is None:
            raise UnknownBlockError(f"block {number} is above our head {self.head.number}")
        if block.hash != block_hash:
            raise NotAChildError(f"finalised block {number} is not the one we hold")
        return ChainView(block, self.tail[number - self.final.number :])

    def common_ancestor(self, branch: Sequence[Block]) -> Block | None:
        """Return our newest block that the branch is built on, or None if the branch must be walked further back.

        `branch` is the other chain, newest first, each block the parent of the one before. Raises TooDeepError when it
        reaches the height of our finalised block without meeting it.
        """
        for block in branch:
            if self.holds(block):
                return block
            if block.number <= self.final.number:
                raise TooDeepError(f"the chain leaves ours below the finalised block {self.final.number}")
        last = branch[-1]
        parent = self.at(last.number - 1)
        return parent if parent is not None and parent.hash == last.parent_hash else None
