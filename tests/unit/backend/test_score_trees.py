"""The trees of epochs are made once a process, and only of the leaves their root names."""

from __future__ import annotations

import pytest

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.scores import epoch_root, score_hash, verify_score
from backend.reputation.trees import KEPT, Trees


def leaves_of(epoch: int) -> list[ScoreLeaf]:
    return [
        ScoreLeaf(agent=bytes([number]) * 20, score=2_000 + number, settled_value=number, jobs=1, epoch=epoch)
        for number in range(1, 12)
    ]


def test_a_tree_is_made_once_and_the_oldest_one_goes() -> None:
    trees, reads = Trees(), list[int]()

    def proofs(epoch: int) -> None:
        leaves = leaves_of(epoch)

        def read() -> list[ScoreLeaf]:
            reads.append(epoch)
            return leaves

        root = epoch_root(leaves)
        tree = trees.get(root, read)
        assert all(verify_score(root, leaf, tree.proof(score_hash(leaf))) for leaf in leaves)

    for epoch in (1, 1, 2, 1):
        proofs(epoch)
    assert reads == [1, 2]
    for epoch in range(3, KEPT + 2):
        proofs(epoch)
    proofs(2)
    proofs(1)
    assert reads == [*range(1, KEPT + 2), 1]


def test_who_asks_while_another_one_reads_hashes_nothing() -> None:
    trees, leaves = Trees(), leaves_of(1)
    root = epoch_root(leaves)
    others = []

    def read() -> list[ScoreLeaf]:
        others.append(trees.get(root, lambda: leaves))
        return leaves

    assert trees.get(root, read) is others[0]


def test_other_leaves_than_those_of_the_root_are_no_tree() -> None:
    with pytest.raises(ValueError, match="do not have its root"):
        Trees().get(epoch_root(leaves_of(1)), lambda: leaves_of(2))
