"""The root of all bids of an auction: a receipted bid that is not under it is proof of omission.

The tree is OpenZeppelin's standard one over the ascending bid hashes: leaf = keccak256(keccak256(bidHash)), inner nodes
hash their two children in ascending order, so `MerkleProof.verify` and the npm library read our proofs.
"""

from __future__ import annotations

from collections.abc import Sequence

from aicp.rules.merkle import double_hash, is_proven, siblings_of, tree_of
from aicp.rules.primitives import ZERO_HASH


def bids_root(bid_hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle root of the bids, in any order, duplicates counted once; the zero hash for no bids."""
    if not bid_hashes:
        return ZERO_HASH
    return _tree(_ascending(bid_hashes))[0]


def bids_proof(bid_hashes: Sequence[bytes], bid_hash: bytes) -> list[bytes]:
    """Return the siblings from the bid's leaf up to the root. Raises ValueError when the bid is not among them."""
    ordered = _ascending(bid_hashes)
    if bid_hash not in ordered:
        raise ValueError("the bid is not among the bids")
    return siblings_of(_tree(ordered), ordered.index(bid_hash))


def verify_bid(root: bytes, bid_hash: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof leads from the bid to the root."""
    return is_proven(root, double_hash(bid_hash), proof)


def _ascending(bid_hashes: Sequence[bytes]) -> list[bytes]:
    ordered = sorted(set(bid_hashes))
    if any(len(value) != 32 for value in ordered):
        raise ValueError("a bid hash has 32 bytes")
    return ordered


def _tree(ordered: Sequence[bytes]) -> list[bytes]:
    # the order is that of the bids, not of their leaves
    return tree_of([double_hash(value) for value in ordered])
