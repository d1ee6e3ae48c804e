"""Escrow's two code bodies: one storage, no function in both, and the layout that is written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aicp.abi.bytecode import artifact
from scripts.abi.solidity import Build, compile_contracts

SNAPSHOT = Path(__file__).with_name("storage_layout.json")
SHARED = ("_balances", "_inflowsPaused", "_feeBps", "_fees", "_words", "_disputes", "_escrowOf")


@pytest.fixture(scope="module")
def build() -> Build:
    """Compile once, as far as interfaces and layouts need it."""
    return compile_contracts(code=False)


def _functions(name: str, build: Build) -> set[str]:
    entries: list[dict[str, Any]] = build.contracts[name].abi
    return {entry["name"] for entry in entries if entry["type"] == "function"}


def test_the_extension_has_the_first_slots_of_escrow(build: Build) -> None:
    main, extension = build.contracts["Escrow"].storage, build.contracts["EscrowExtension"].storage
    assert tuple(name for _, _, name, _ in extension) == SHARED
    assert main[: len(extension)] == extension


def test_no_function_is_in_both_bodies(build: Build) -> None:
    assert _functions("Escrow", build) & _functions("EscrowExtension", build) == set()
    assert _functions("Escrow", build) | _functions("EscrowExtension", build) == {
        entry["name"] for entry in artifact("Escrow").abi if entry["type"] == "function"
    }
    declared = _functions("IEscrow", build)
    assert _functions("EscrowExtension", build) <= declared


def test_layouts_are_as_written_down(build: Build) -> None:
    written = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, layout in written.items():
        assert [list(part) for part in build.contracts[name].storage] == layout, name
