"""The Merkle tree of OpenZeppelin's `StandardMerkleTree`, over leaves that are hashed already.

Leaves are put into ascending order and fill a complete binary tree from its end; an inner node is the hash of its two
children in ascending order. So `MerkleProof.verify` on chain and the npm library read our roots and proofs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field

from aicp.rules.primitives import ZERO_HASH, keccak


def double_hash(encoded: bytes) -> bytes:
    """Return the leaf of ABI-encoded values. Hashing twice keeps leaves and inner nodes apart."""
    return keccak(keccak(encoded))


@dataclass(slots=True)
class MerkleTree:
    """A tree that is kept to prove many leaves; made of distinct 32-byte leaves in any order, at least one.

    Making it raises ValueError for leaves that are none.
    """

    leaves: InitVar[Sequence[bytes]]
    _nodes: list[bytes] = field(init=False, repr=False)
    _places: dict[bytes, int] = field(init=False, repr=False)

    def __post_init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a tree has a leaf")
        ordered = _ascending(leaves)
        self._nodes = tree_of(ordered)
        self._places = {leaf: place for place, leaf in enumerate(ordered)}

    @property
    def root(self) -> bytes:
        """The root."""
        return self._nodes[0]

    def proof(self, leaf: bytes) -> list[bytes]:
        """Return the siblings from a leaf up to the root. Raises ValueError when the leaf is not in the tree."""
        if leaf not in self._places:
            raise ValueError("the leaf is not in the tree")
        return siblings_of(self._nodes, self._places[leaf])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of distinct 32-byte leaves in any order; the zero hash for none. Raises ValueError."""
    return MerkleTree(leaves).root if leaves else ZERO_HASH


def proof_of(leaves: Sequence[bytes], leaf: bytes) -> list[bytes]:
    """Return the siblings from a leaf up to the root. Raises ValueError when the leaf is not among the leaves."""
    return MerkleTree(leaves).proof(leaf)


def is_proven(root: bytes, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof leads from the leaf to the root."""
    node = leaf
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root


def tree_of(ordered: Sequence[bytes]) -> list[bytes]:
    """Return the nodes of the tree over at least one leaf, the root first and the leaves last, in falling order."""
    nodes = [ZERO_HASH] * (len(ordered) - 1) + list(reversed(ordered))
    for index in range(len(ordered) - 2, -1, -1):
        nodes[index] = _pair(nodes[2 * index + 1], nodes[2 * index + 2])
    return nodes


def siblings_of(nodes: Sequence[bytes], place: int) -> list[bytes]:
    """Return the siblings from the leaf at a place of the order up to the root of `tree_of`."""
    index = len(nodes) - 1 - place
    proof: list[bytes] = []
    while index > 0:
        proof.append(nodes[index + 1 if index % 2 else index - 1])
        index = (index - 1) // 2
    return proof


def _pair(left: bytes, right: bytes) -> bytes:
    return keccak(left + right if left <= right else right + left)


def _ascending(leaves: Sequence[bytes]) -> list[bytes]:
    if any(len(leaf) != 32 for leaf in leaves):
        raise ValueError("a leaf has 32 bytes")
    if len(set(leaves)) != len(leaves):
        raise ValueError("a leaf is given twice")
    return sorted(leaves)
