from __future__ import annotations

import json

import pytest

from scripts.abi.golden import solidity
from tests.unit.rules.vectors import FOLDER, SOLIDITY, all_vectors


@pytest.mark.parametrize(("name", "vectors"), all_vectors().items())
def test_the_committed_vectors_are_what_the_rules_say(name: str, vectors: object) -> None:
    committed = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert committed == vectors, "run python tests/unit/rules/vectors.py"


def test_solidity_asserts_the_committed_digests() -> None:
    digests = json.loads((FOLDER / "digests.json").read_text(encoding="utf-8"))
    assert SOLIDITY.read_text(encoding="utf-8") == solidity(digests), "run python tests/unit/rules/vectors.py"
