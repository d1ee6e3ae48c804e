"""Findings and explanations of the static analysis meet by name, and other bytecode than the committed is refused."""

from __future__ import annotations

import pytest

from aicp.abi.bytecode import artifact
from scripts.prove.build import ProveError, verify
from scripts.prove.slither import EXPLANATIONS, explanations, keys_of


def _element(name: str, parent: object, **fields: str) -> dict[str, object]:
    return {"name": name, "type": "function", "type_specific_fields": {**fields, "parent": parent}}


def test_a_finding_is_named_without_lines() -> None:
    contract = {"name": "Escrow", "type": "contract", "type_specific_fields": {"parent": {"type": "file"}}}
    element = _element("cancel", contract, signature="cancel(Terms)")
    finding = {"check": "timestamp", "description": "Escrow.cancel (a.sol#1-2) is late\n\tmore", "elements": [element]}
    found = keys_of({"results": {"detectors": [finding]}})
    assert found == {("timestamp", "Escrow.cancel(Terms)"): "Escrow.cancel (a.sol#1-2) is late"}


def test_every_row_of_the_explanations_is_read() -> None:
    text = EXPLANATIONS.read_text(encoding="utf-8")
    assert len(explanations(text)) == text.count("\n| `")
    assert all(explanations(text).values())


def test_bytecode_other_than_the_committed_is_refused() -> None:
    runtime = artifact("Escrow").runtime
    verify([("Escrow", runtime.hex())])
    with pytest.raises(ProveError, match="Escrow"):
        verify([("Escrow", runtime[:-1].hex() + "00" if runtime[-1] else runtime[:-1].hex() + "01")])
    with pytest.raises(ProveError, match="no contract"):
        verify([])
