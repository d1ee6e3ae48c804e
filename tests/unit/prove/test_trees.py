"""The checker of the contract test trees finds what is missing."""

from __future__ import annotations

from scripts.prove.trees import coverage_problems, leaves_of, tree_problems

TREE = """Escrow.cancel
├── given the escrow is funded
│   ├── it should refund [test_refunds]
│   └── when the caller is a stranger
│       └── it should revert [test_reverts]
└── it should emit
"""


def test_leaves_are_the_branches_without_branches() -> None:
    assert leaves_of(TREE) == ["it should refund [test_refunds]", "it should revert [test_reverts]", "it should emit"]


def test_a_leaf_must_name_a_test_that_exists() -> None:
    assert tree_problems("Escrow.cancel", TREE, {"test_refunds"}) == [
        "Escrow.cancel.tree: there is no test test_reverts",
        "Escrow.cancel.tree: this leaf names no test: it should emit",
    ]
    assert tree_problems("Escrow.cancel", "Escrow.cancel\n", set()) == ["Escrow.cancel.tree has no leaves"]


def test_the_list_of_missing_trees_only_shrinks() -> None:
    functions = ["Escrow.cancel", "Escrow.fund", "Escrow.split"]
    assert coverage_problems(functions, ["Escrow.cancel", "Escrow.split"], ["Escrow.split", "Escrow.gone"]) == [
        "Escrow.fund has no tree",
        "missing.txt: Escrow.split has its tree now; take it off the list",
        "missing.txt: there is no function Escrow.gone",
    ]
