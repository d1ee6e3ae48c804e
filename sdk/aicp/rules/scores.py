"""An epoch of scores as the tree that is anchored: leaves, root, and the proof of one score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.merkle import MerkleTree, double_hash, is_proven, proof_of, root_of

MAX_SCORE: Final = 10_000
"""Scores are integers in hundredths, 0 to this."""


def score_hash(leaf: ScoreLeaf) -> bytes:
    """Return the leaf of a score. Raises ValueError for a score above 10,000, EncodeError when a field does not fit."""
    if leaf.score > MAX_SCORE:
        raise ValueError("a score is at most 10,000 hundredths")
    return double_hash(leaf.encode())


def epoch_root(leaves: Sequence[ScoreLeaf]) -> bytes:
    """Return the root of an epoch: scores in any order, one an agent, all of one epoch. Raises ValueError."""
    return root_of(_checked(leaves))


def score_tree(leaves: Sequence[ScoreLeaf]) -> MerkleTree:
    """Return the tree of an epoch, to prove many scores; leaves as for `epoch_root`, not none. Raises ValueError."""
    return MerkleTree(_checked(leaves))


def score_proof(leaves: Sequence[ScoreLeaf], leaf: ScoreLeaf) -> list[bytes]:
    """Return what `Reputation.verifyScore` takes as proof. Raises ValueError when the score is not in the epoch."""
    return proof_of(_checked(leaves), score_hash(leaf))


def verify_score(root: bytes, leaf: ScoreLeaf, proof: Sequence[bytes]) -> bool:
    """Return whether the proof leads from the score to the root."""
    return is_proven(root, score_hash(leaf), proof)


def _checked(leaves: Sequence[ScoreLeaf]) -> list[bytes]:
    if len({leaf.epoch for leaf in leaves}) > 1:
        raise ValueError("scores of two epochs are in one tree")
    if len({leaf.agent for leaf in leaves}) != len(leaves):
        raise ValueError("an agent has two scores in one epoch")
    return [score_hash(leaf) for leaf in leaves]
