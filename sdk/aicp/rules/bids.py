"""The root of all bids of an auction: a receipted bid that is not under it is proof of omission.

The tree is OpenZeppelin's standard one over the ascending bid hashes: leaf = keccak256(keccak256(bidHash)), inner nodes
hash their two children in ascending order, so `MerkleProof.verify` and the npm library read our proofs.
"""

from __future__ import annotations

from collections.abc import Sequence

from aicp.rules.primitives import ZERO_HASH, keccak


def _pair(left: bytes, right: bytes) -> bytes:
    return keccak(left + right if left <= right else right + left)


def _leaf(bid_hash: bytes) -> bytes:
    return keccak(keccak(bid_hash))


def _tree(bid_hashes: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    ordered = sorted(set(bid_hashes))
    if any(len(value) != 32 for value in ordered):
        raise ValueError("a bid hash has 32 bytes")
    nodes = [ZERO_HASH] * (len(ordered) - 1) + [_leaf(value) for value in reversed(ordered)]
    for index in range(len(ordered) - 2, -1, -1):
        nodes[index] = _pair(nodes[2 * index + 1], nodes[2 * index + 2])
    return ordered, nodes


def bids_root(bid_hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle root of the bids, in any order, duplicates counted once; the zero hash for no bids."""
    if not bid_hashes:
        return ZERO_HASH
    return _tree(bid_hashes)[1][0]


def bids_proof(bid_hashes: Sequence[bytes], bid_hash: bytes) -> list[bytes]:
    """Return the siblings from the bid's leaf up to the root. Raises ValueError when the bid is not among them."""
    ordered, nodes = _tree(bid_hashes)
    if bid_hash not in ordered:
        raise ValueError("the bid is not among the bids")
    index = len(nodes) - 1 - ordered.index(bid_hash)
    proof: list[bytes] = []
    while index > 0:
        proof.append(nodes[index + 1 if index % 2 else index - 1])
        index = (index - 1) // 2
    return proof


def verify_bid(root: bytes, bid_hash: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof leads from the bid to the root."""
    node = _leaf(bid_hash)
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root
