"""The comparison with the committed figures, and the files of the repository."""

from __future__ import annotations

import json
from typing import Any

from scripts.gas.pricing import Figures
from scripts.gas.snapshot import compare, document, missed, moved, table
from scripts.suites.model import ROOT

COMMITTED = {"escrow: submit": {"evm": 34_000, "polygon": 36_000}}
ASKED_FOR = (
    "escrow: fund with authorization",
    "escrow: fund and accept with authorization",
    "escrow: submit",
    "escrow: release to ledger with fee",
    "escrow: release push with fee",
    "escrow: refund push",
    "escrow: dispute raised",
    "channel: deposit via ERC-3009 collector",
    "pool: deposit with authorization",
    "channel: claim batch, marginal row, distinct agents",
    "channel: claim batch, marginal row, repeated agent",
    "channel: settle",
    "arbiter: commit",
    "arbiter: reveal",
    "reputation: anchor epoch",
)


def test_half_a_percent_more_passes_and_a_unit_above_does_not() -> None:
    assert compare(COMMITTED, {"escrow: submit": Figures(34_170, 36_180, 0)}).passes
    found = compare(COMMITTED, {"escrow: submit": Figures(34_171, 36_000, 0)})
    assert not found.passes
    assert [str(change) for change in found.dearer] == ["escrow: submit (evm): 34,000 -> 34,171 gas (+0.50%)"]


def test_polygon_alone_can_fail() -> None:
    found = compare(COMMITTED, {"escrow: submit": Figures(34_000, 36_181, 0)})
    assert [change.chain for change in found.dearer] == ["polygon"]


def test_less_is_told_and_passes() -> None:
    found = compare(COMMITTED, {"escrow: submit": Figures(33_000, 35_000, 0)})
    assert found.passes
    assert [change.chain for change in found.cheaper] == ["evm", "polygon"]


def test_operations_that_differ_fail() -> None:
    found = compare(COMMITTED, {"escrow: accept": Figures(1, 1, 1)})
    assert (found.missing, found.new, found.passes) == (("escrow: submit",), ("escrow: accept",), False)


def test_the_file_has_sorted_sentences_and_two_figures_each() -> None:
    text = document({"b": Figures(3, 4, 5), "a": Figures(1, 2, 3)})
    assert json.loads(text) == {"a": {"evm": 1, "polygon": 2}, "b": {"evm": 3, "polygon": 4}}
    assert text.index('"a"') < text.index('"b"')


def test_the_table_marks_what_is_above_target_or_anchor() -> None:
    aims: dict[str, Any] = {
        "escrow: submit": {
            "target": {"evm": 35_000, "polygon": None},
            "anchor": {"source": "somebody's submit", "evm": 30_000, "polygon": 99_000},
        }
    }
    measured = {"escrow: submit": Figures(34_000, 36_000, 35_000)}
    line = table(measured, aims).splitlines()[1]
    assert "✓ 35,000 / -" in line
    assert "✗ 30,000 / 99,000" in line
    assert line.endswith("somebody's submit")
    aims["escrow: submit"]["anchor"]["likeness"] = True
    assert "= 30,000 / 99,000" in table(measured, aims)
    assert missed(measured, aims) == []
    assert missed({"escrow: submit": Figures(35_001, 1, 1)}, aims) == ["escrow: submit"]


def test_a_target_that_was_moved_is_told_with_its_first_figures() -> None:
    first = {"evm": 39_000, "polygon": 44_000}
    target = {"evm": 39_000, "polygon": 47_500}
    assert moved({"a": {"target": target, "anchor": None}}) == []
    assert moved({"a": {"target": target, "first": first, "anchor": None}}) == ["a: 39,000 / 44,000 at first"]


def test_the_committed_file_holds_what_was_asked_for_and_every_target_has_its_figure() -> None:
    committed = json.loads((ROOT / "snapshots" / "gas.json").read_text(encoding="utf-8"))
    targets = json.loads((ROOT / "snapshots" / "targets.json").read_text(encoding="utf-8"))
    assert set(ASKED_FOR) <= set(committed)
    assert set(targets) <= set(committed)
    assert list(committed) == sorted(committed)
    assert all(set(row) == {"evm", "polygon"} and row["polygon"] > row["evm"] > 0 for row in committed.values())
