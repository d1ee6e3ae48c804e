"""`python -m scripts.prove.trees`: every branch of a contract function is written down and has its test.

`tests/contracts/trees/<Contract>.<function>.tree` lists, as given/when/it, what a function does. Each leaf ends with
the name of its test in brackets. Exit code 1 when a leaf names no test, when a tree belongs to no function, and when an
external function that changes state has no tree.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from scripts.suites.model import ROOT

_TREES = ROOT / "tests" / "contracts" / "trees"
_ARTIFACTS = ROOT / "sdk" / "aicp" / "abi" / "artifacts"
_CONTRACTS = ("Escrow", "PaymentChannel", "Reputation", "DisputeArbiter")
_PYTHON_TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
_FORGE_TEST = re.compile(r"\bfunction ((?:test|invariant|check)\w*)\(")
_BRANCH = re.compile(r"^(?P<indent>[│ ]*)[├└]── (?P<text>.+)$")
_NAMED = re.compile(r"\[(\w+)\]$")


def main() -> int:
    """Check all trees; print what is wrong."""
    tests = test_names(ROOT / "tests")
    functions = [name for contract in _CONTRACTS for name in state_changing(contract)]
    trees = {path.stem: path.read_text(encoding="utf-8") for path in sorted(_TREES.glob("*.tree"))}
    problems = [problem for name, text in trees.items() for problem in tree_problems(name, text, tests)]
    problems += [f"{name}.tree belongs to no function" for name in trees if not _exists(name)]
    problems += [f"{contract} has no artifact" for contract in _CONTRACTS if not state_changing(contract)]
    problems += coverage_problems(functions, trees)
    for problem in problems:
        print(problem)
    leaves = sum(len(leaves_of(text)) for text in trees.values())
    print(f"trees: {len(trees)} trees, {leaves} leaves, {len(problems)} problems")
    return 1 if problems else 0


def test_names(folder: Path) -> frozenset[str]:
    """Return the names of all contract tests, in Python and in Solidity."""
    names: set[str] = set()
    for path in (folder / "contracts").glob("**/test_*.py"):
        names.update(_PYTHON_TEST.findall(path.read_text(encoding="utf-8")))
    for suite in ("forge", "halmos"):
        for path in (folder / suite).glob("**/*.t.sol"):
            names.update(_FORGE_TEST.findall(path.read_text(encoding="utf-8")))
    return frozenset(names)


def state_changing(contract: str) -> list[str]:
    """Return `<Contract>.<function>` of every external function that changes state, sorted; overloads count once."""
    path = _ARTIFACTS / f"{contract}.json"
    if not path.exists():
        return []
    abi = json.loads(path.read_text(encoding="utf-8"))["abi"]
    names = {
        entry["name"]
        for entry in abi
        if entry["type"] == "function" and entry["stateMutability"] in {"nonpayable", "payable"}
    }
    return [f"{contract}.{name}" for name in sorted(names)]


def _exists(name: str) -> bool:
    """True if the contract's artifact has the function, or its source file exists and our Solidity has one so called.

    The artifact knows inherited functions, the sources those of contracts without an artifact.
    """
    contract, _, function = name.partition(".")
    if name in state_changing(contract):
        return True
    sources = [path for path in (ROOT / "contracts").glob("**/*.sol") if ".cache" not in path.parts]
    named = any(path.stem == contract for path in sources)
    return named and any(f"function {function}(" in path.read_text(encoding="utf-8") for path in sources)


def leaves_of(text: str) -> list[str]:
    """Return the text of every branch under which there is no other."""
    found = [match for match in map(_BRANCH.match, text.splitlines()) if match is not None]
    depths = [len(match["indent"]) for match in found] + [-1]
    return [
        match["text"].strip() for match, here, below in zip(found, depths, depths[1:], strict=False) if below <= here
    ]


def tree_problems(name: str, text: str, tests: Iterable[str]) -> list[str]:
    """Return what is wrong with one tree: no leaves, a leaf without a test, a test that does not exist."""
    leaves = leaves_of(text)
    problems = [] if leaves else [f"{name}.tree has no leaves"]
    for leaf in leaves:
        named = _NAMED.search(leaf)
        if named is None:
            problems.append(f"{name}.tree: this leaf names no test: {leaf}")
        elif named[1] not in tests:
            problems.append(f"{name}.tree: there is no test {named[1]}")
    return problems


def coverage_problems(functions: Iterable[str], trees: Collection[str]) -> list[str]:
    """Return which functions have no tree."""
    return [f"{name} has no tree" for name in functions if name not in trees]


if __name__ == "__main__":
    sys.exit(main())
