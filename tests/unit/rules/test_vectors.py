from __future__ import annotations

import json

import pytest

from scripts.abi.golden import solidity
from tests.unit.rules.golden_rules import solidity_rules, typescript_decay
from tests.unit.rules.vectors import FOLDER, SOLIDITY, SOLIDITY_RULES, TYPESCRIPT_DECAY, all_vectors

VECTORS = all_vectors()


@pytest.mark.parametrize(("name", "vectors"), VECTORS.items())
def test_the_committed_vectors_are_what_the_rules_say(name: str, vectors: object) -> None:
    committed = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert committed == vectors, "run python tests/unit/rules"


def test_solidity_asserts_the_committed_digests() -> None:
    digests = json.loads((FOLDER / "digests.json").read_text(encoding="utf-8"))
    assert SOLIDITY.read_text(encoding="utf-8") == solidity(digests), "run python tests/unit/rules"


def test_solidity_and_typescript_hold_the_committed_rules() -> None:
    assert SOLIDITY_RULES.read_text(encoding="utf-8") == solidity_rules(VECTORS), "run python tests/unit/rules"
    assert TYPESCRIPT_DECAY.read_text(encoding="utf-8") == typescript_decay(), "run python tests/unit/rules"
