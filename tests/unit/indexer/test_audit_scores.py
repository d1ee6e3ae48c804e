"""Anchored roots against the scores somebody publishes for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aicp.abi.reputation import ScoreLeaf
from aicp.rules.canonical import document_hash
from aicp.rules.scores import epoch_root
from indexer.audit import scores
from indexer.audit.book import Book, Identity
from indexer.audit.report import Report
from indexer.audit.scores import ScoreFileError
from indexer.core.rows import ScoreEpoch

MANIFEST = {"rules": "1", "outcomes": 12}
LEAVES = [
    ScoreLeaf(agent=bytes([n]) * 20, score=9_000 - n, settled_value=n * 10**6, jobs=n, epoch=3) for n in (1, 2, 3)
]
FILE: dict[str, Any] = {
    "epoch": 3,
    "leaves": [
        {"agent": "0x" + leaf.agent.hex(), "score": leaf.score, "settled_value_units": str(leaf.settled_value),
         "jobs": leaf.jobs}
        for leaf in reversed(LEAVES)
    ],
    "manifest": MANIFEST,
}  # fmt: skip


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "book.sqlite", Identity(chain_id=1, genesis_hash=b"", deployment_digest=b""), "")
    book.put(
        ScoreEpoch(
            epoch_id=epoch.to_bytes(8, "big"), epoch=epoch, root=epoch_root(LEAVES), leaf_count=3,
            manifest_hash=document_hash(MANIFEST), uri="", anchored_at=1, active_at=2, block_number=8,
            tx_hash=b"\x08" * 32,
        )
        for epoch in (3, 5)
    )  # fmt: skip
    yield book
    book.close(finished=True)


@pytest.fixture
def checked(book: Book, tmp_path: Path) -> Callable[[dict[str, Any]], Report]:
    def check(raw: dict[str, Any]) -> Report:
        (tmp_path / "scores.json").write_text(json.dumps(raw))
        report = Report()
        scores.compare([scores.load(tmp_path / "scores.json")], book, report)
        return report

    return check


def found(report: Report) -> list[tuple[str, int | None]]:
    """Return the columns that differ and their blocks."""
    return [(one.column, one.block_number) for one in report.lowest]


def test_published_scores_give_the_anchored_root(checked: Callable[[dict[str, Any]], Report]) -> None:
    report = checked(FILE)
    assert (found(report), report.checked["score roots against the scores of the files"]) == ([], 3)
    assert report.notes == ["1 anchored score root(s) had no scores to be computed from (--scores FILE)."]


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"leaves": [{**FILE["leaves"][0], "score": 1}, *FILE["leaves"][1:]]}, {"root"}),
        ({"leaves": FILE["leaves"][1:]}, {"root", "leaf_count"}),
        ({"manifest": {}}, {"manifest_hash"}),
        ({"epoch": 5}, {"root"}),
        ({"epoch": 4}, {"(row)"}),
    ],
)
def test_other_scores_are_named(
    checked: Callable[[dict[str, Any]], Report], change: dict[str, Any], columns: set[str]
) -> None:
    report = checked({**FILE, **change})
    assert {column for column, _ in found(report)} == columns
    assert {block for _, block in found(report)} == {None if columns == {"(row)"} else 8}


@pytest.mark.parametrize(
    "raw",
    [
        "[]",
        json.dumps({**FILE, "leaves": [FILE["leaves"][0]] * 2}),
        json.dumps({**FILE, "leaves": [{**FILE["leaves"][0], "score": 10_001}]}),
        json.dumps({**FILE, "leaves": [{**FILE["leaves"][0], "jobs": 2**32}]}),
        json.dumps({**FILE, "leaves": [{**FILE["leaves"][0], "agent": "0x00"}]}),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, raw: str) -> None:
    (tmp_path / "scores.json").write_text(raw)
    with pytest.raises(ScoreFileError, match="is not a file of scores"):
        scores.load(tmp_path / "scores.json")
    with pytest.raises(ScoreFileError, match="cannot be read"):
        scores.load(tmp_path / "none.json")
