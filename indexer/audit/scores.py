"""Anchored score roots against the scores somebody publishes for them.

A file is one epoch: `{"epoch": 3, "leaves": [{"agent": "0x…", "score": 8750, "settled_value_units": "1200000",
"jobs": 4}, …]}`, scores in hundredths, and, where the manifest is published too, `"manifest"`, whose canonical JSON the
anchored hash commits to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from aicp.abi.reputation import ScoreLeaf
from aicp.abi.runtime import AbiError
from aicp.rules.canonical import document_hash
from aicp.rules.primitives import parse_address, parse_units
from aicp.rules.scores import epoch_root
from indexer.audit.book import Book
from indexer.audit.report import Item, Report, Source
from indexer.core.rows import ScoreEpoch

_WHAT: Final = "score roots against the scores of the files"


class ScoreFileError(Exception):
    """A file of scores cannot be read. The message is one sentence."""


class _Leaf(msgspec.Struct):
    agent: str
    score: int
    settled_value_units: str
    jobs: int


class _File(msgspec.Struct):
    epoch: int
    leaves: list[_Leaf]
    manifest: Any = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Scores:
    """What a file says of its epoch; `manifest_hash` is None where it has no manifest."""

    epoch: int
    count: int
    root: bytes
    manifest_hash: bytes | None


def load(path: Path) -> Scores:
    """Read a file and compute its root. Raises ScoreFileError."""
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=_File)
        leaves = [
            ScoreLeaf(
                agent=parse_address(leaf.agent),
                score=leaf.score,
                settled_value=parse_units(leaf.settled_value_units),
                jobs=leaf.jobs,
                epoch=raw.epoch,
            )
            for leaf in raw.leaves
        ]
        manifest_hash = None if raw.manifest is msgspec.UNSET else document_hash(raw.manifest)
        return Scores(raw.epoch, len(leaves), epoch_root(leaves), manifest_hash)
    except OSError as error:
        raise ScoreFileError(f"{path} cannot be read: {error}.") from error
    except (msgspec.MsgspecError, ValueError, AbiError) as error:
        raise ScoreFileError(f"{path} is not a file of scores: {error}.") from error


def compare(given: Sequence[Scores], book: Book, report: Report) -> None:
    """Compare each file with the epoch it names, and note how many epochs have no file."""
    for scores in given:
        epoch = book.find(ScoreEpoch, scores.epoch.to_bytes(8, "big"))
        if epoch is None:
            item = Item(Source.SCORES, ScoreEpoch.TABLE, str(scores.epoch))
            report.compare(_WHAT, item, "(row)", "present", "absent")
            continue
        item = Item(Source.SCORES, ScoreEpoch.TABLE, str(scores.epoch), epoch.block_number, epoch.tx_hash)
        report.compare(_WHAT, item, "root", scores.root, epoch.root)
        report.compare(_WHAT, item, "leaf_count", scores.count, epoch.leaf_count)
        if scores.manifest_hash is not None:
            report.compare(_WHAT, item, "manifest_hash", scores.manifest_hash, epoch.manifest_hash)
    named = {scores.epoch for scores in given}
    rest = sum(epoch.epoch not in named for epoch in book.rows(ScoreEpoch))
    if rest:
        report.notes.append(f"{rest:,} anchored score root(s) had no scores to be computed from (--scores FILE).")
