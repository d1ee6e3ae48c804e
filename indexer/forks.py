"""Decides when a node's other chain is a reorg: on evidence, never because a node is lower than we are.

A branch is walked back by parent hash to a block we hold, and its turn-off is read a second time, by number. Another
provider is asked as well, if there is one: it confirms the branch, or, being at least as high, shows ours, and then the
first one is not believed. Where nobody else can be asked, a branch at least as high as ours is followed at once, a
shorter one only after it was shown several times; the same holds for a chain that leaves below the finalised block.
"""

from __future__ import annotations

from typing import Final

from indexer.chain.errors import InconsistentNodeError
from indexer.chain.node import Node
from indexer.core.chain_view import Block, ChainView, TooDeepError

EVIDENCE: Final = 3
"""How often one node alone must show a shorter branch, each time read anew."""


class Forks:
    """See the module's docstring."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._shown = (b"", 0)

    def forget(self) -> None:
        """The node shows our chain again: what was shown before is no evidence any more."""
        self._shown = (b"", 0)

    @property
    def doubtful(self) -> bool:
        """Whether a branch was shown that more evidence is wanted for."""
        return self._shown[1] > 0

    def examine(self, view: ChainView, tip: Block) -> Block | None:
        """Return our block that the branch with `tip` is built on, to go back to; None if there is too little evidence.

        Raises TooDeepError when the branch leaves ours below the finalised block, InconsistentNodeError when the node,
        or another one, contradicts it.
        """
        below = block = tip
        try:
            while (ancestor := view.common_ancestor([block])) is None:
                below, block = block, self._node.header_by_hash(block.parent_hash).block
        except TooDeepError:
            if self._is_left(view.final):
                raise
            return None
        turn_off = block if ancestor.number < block.number else below
        if ancestor == view.head:
            return None
        if turn_off.number == ancestor.number or self._node.header(turn_off.number).block.hash != turn_off.hash:
            raise InconsistentNodeError(f"block {turn_off.number} changed while it was examined")
        if self._confirmed(view, turn_off, tip.number):
            return ancestor
        shorter = tip.number < view.head.number
        return None if shorter and not self._shown_often(turn_off.hash) else ancestor

    def _confirmed(self, view: ChainView, turn_off: Block, height: int) -> bool:
        """Ask the other providers; raise InconsistentNodeError when one as high shows our block and none the branch."""
        ours = view.at(turn_off.number)
        contradicted = False
        for head, block_hash in self._node.opinions(turn_off.number):
            if block_hash == turn_off.hash:
                return True
            contradicted = contradicted or (ours is not None and block_hash == ours.hash and head >= height)
        if contradicted:
            raise InconsistentNodeError(f"another provider has our block {turn_off.number}")
        return False

    def _is_left(self, final: Block) -> bool:
        """Return whether it is sure that the chain does not contain the finalised block any more."""
        second = self._node.header(final.number).block
        if second.hash == final.hash:
            raise InconsistentNodeError("the node shows two chains at once")
        if any(block_hash == final.hash for _, block_hash in self._node.opinions(final.number)):
            raise InconsistentNodeError(f"another provider has our finalised block {final.number}")
        return self._shown_often(second.hash)

    def _shown_often(self, block_hash: bytes) -> bool:
        shown, times = self._shown
        self._shown = (block_hash, times + 1 if shown == block_hash else 1)
        return self._shown[1] >= EVIDENCE
