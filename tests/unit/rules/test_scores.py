"""Trees of scores equal OpenZeppelin's, and say no to everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.merkle import is_proven, proof_of, root_of
from aicp.rules.primitives import ZERO_HASH
from aicp.rules.scores import epoch_root, score_proof, verify_score

GOLDEN = json.loads(Path(__file__).with_name("score_trees.json").read_text(encoding="utf-8"))["trees"]
LEAF = ScoreLeaf(agent=b"\1" * 20, score=10_000, settled_value=1, jobs=1, epoch=1)


def leaf_of(values: list[object]) -> ScoreLeaf:
    agent, score, value, jobs, epoch = (str(value) for value in values)
    return ScoreLeaf(
        agent=bytes.fromhex(agent[2:]), score=int(score), settled_value=int(value), jobs=int(jobs), epoch=int(epoch)
    )


@pytest.mark.parametrize("tree", GOLDEN, ids=[f"{len(tree['leaves'])} leaves" for tree in GOLDEN])
def test_roots_and_proofs_equal_those_of_the_npm_library(tree: dict[str, Any]) -> None:
    leaves = [leaf_of(values) for values in tree["leaves"]]
    root = epoch_root(leaves)
    assert "0x" + root.hex() == tree["root"]
    for leaf, proof in zip(leaves, tree["proofs"], strict=True):
        assert ["0x" + node.hex() for node in score_proof(leaves, leaf)] == proof
        assert verify_score(root, leaf, score_proof(leaves, leaf))
        assert not verify_score(root, replace(leaf, score=leaf.score ^ 1), score_proof(leaves, leaf))
        assert not verify_score(root, replace(leaf, epoch=leaf.epoch + 1), score_proof(leaves, leaf))


def test_an_epoch_is_refused_when_it_contradicts_itself() -> None:
    assert epoch_root([]) == ZERO_HASH
    with pytest.raises(ValueError, match="two epochs"):
        epoch_root([LEAF, replace(LEAF, agent=b"\2" * 20, epoch=2)])
    with pytest.raises(ValueError, match="two scores"):
        epoch_root([LEAF, replace(LEAF, score=1)])
    with pytest.raises(ValueError, match="at most"):
        epoch_root([replace(LEAF, score=10_001)])
    with pytest.raises(ValueError, match="not in the tree"):
        score_proof([LEAF], replace(LEAF, score=1))


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True))
def test_every_leaf_is_proven_and_no_inner_node_passes_for_one(leaves: list[bytes]) -> None:
    root = root_of(leaves)
    assert root_of(leaves[::-1]) == root
    for leaf in leaves:
        proof = proof_of(leaves, leaf)
        assert is_proven(root, leaf, proof)
        if proof:
            assert not is_proven(root, leaf, proof[1:])
    with pytest.raises(ValueError, match="twice"):
        root_of([*leaves, leaves[0]])
    with pytest.raises(ValueError, match="32 bytes"):
        root_of([*leaves, b""])
