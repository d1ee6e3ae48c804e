"""The checker of the contract test trees finds what is missing."""

from __future__ import annotations

from scripts.prove.trees import coverage_problems, leaves_of, state_changing, tree_problems

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


def test_a_function_without_tree_is_a_problem() -> None:
    functions = ["Escrow.cancel", "Escrow.fund", "Escrow.split"]
    assert coverage_problems(functions, ["Escrow.cancel", "Escrow.split"]) == ["Escrow.fund has no tree"]


def test_every_contract_is_asked_for_its_functions() -> None:
    for contract in ("Escrow", "PaymentChannel", "Reputation", "DisputeArbiter"):
        assert f"{contract}.pauseInflows" in state_changing(contract)
