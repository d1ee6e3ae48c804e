"""The trees of anchored epochs, kept by each process: whoever asks for a score with its proof hashes nothing again.

A tree is kept under its root, which stands for every leaf of it, and the rows it is made of never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.merkle import MerkleTree
from aicp.rules.scores import score_tree

KEPT: Final = 3
"""Epochs: readers of different finality see one or another of the newest."""


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees made last, at most `KEPT`."""

    _by_root: dict[bytes, MerkleTree] = field(default_factory=dict)

    def get(self, root: bytes, read: Callable[[], Sequence[ScoreLeaf]]) -> MerkleTree:
        """Return the tree of a root, made of the leaves that `read` returns where it is not kept.

        Raises ValueError where these leaves have another root.
        """
        if (known := self._by_root.get(root)) is not None:
            return known
        leaves = read()
        if (known := self._by_root.get(root)) is not None:  # others asked meanwhile: it is hashed once
            return known
        made = score_tree(leaves)
        if made.root != root:
            raise ValueError("the scores of an epoch do not have its root")
        while len(self._by_root) >= KEPT:
            del self._by_root[next(iter(self._by_root))]
        self._by_root[root] = made
        return made


TREES: Final = Trees()
"""Those of this process."""
