from __future__ import annotations

import json

import pytest

from tests.unit.rules.vectors import FOLDER, all_vectors


@pytest.mark.parametrize(("name", "vectors"), all_vectors().items())
def test_the_committed_vectors_are_what_the_rules_say(name: str, vectors: object) -> None:
    committed = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert committed == vectors, "run python tests/unit/rules/vectors.py"
