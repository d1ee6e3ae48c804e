"""Where the mirror says it stands: its block, marks of finality, the blocks of its window, and its health."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from indexer.audit.patience import Patient
from indexer.audit.report import Item, Report, Source
from indexer.core.chain_view import Block
from indexer.core.context import Contracts
from indexer.settings import deployment_digest
from indexer.store.readback import Snapshot

_WINDOW: Final = "values of the mirror's newest blocks against the chain"
_CURSOR: Final = "marks of the mirror's cursor against the chain"
_PAGE: Final = 100


def check_identity(snapshot: Snapshot, chain_id: int, genesis: bytes, contracts: Contracts) -> None:
    """Raise LookupError for a mirror of another chain or of other contracts."""
    held = snapshot.meta()
    if (held["chain_id"], bytes(held["genesis_hash"])) != (chain_id, genesis):
        raise LookupError("the database mirrors another chain than the node serves")
    if bytes(held["deployment_digest"]) != deployment_digest(contracts):
        raise LookupError("the database mirrors other contracts than the deployment file names")


def compare(chain: Patient, snapshot: Snapshot, final: Block, report: Report) -> None:
    """Compare the cursor and every block of the window with the chain; `final` is the newest final block we know."""
    cursor = snapshot.cursor()
    head = chain.block(snapshot.number)
    finalized = chain.block(cursor["finalized_number"])
    item = Item(Source.MIRROR, "cursor", str(snapshot.number), snapshot.number)
    marks: tuple[tuple[str, Any, Any], ...] = (
        ("hash", cursor["hash"], head.hash),
        ("block_time", cursor["block_time"], head.time),
        ("finalized_hash", cursor["finalized_hash"], finalized.hash),
        ("finalized_time", cursor["finalized_time"], finalized.time),
        ("finalized_number", cursor["finalized_number"], min(cursor["finalized_number"], final.number)),
    )
    for column, found, derived in marks:
        report.compare(_CURSOR, item, column, found, derived)
    _window(chain, snapshot, cursor["finalized_number"], report)


def _window(chain: Patient, snapshot: Snapshot, first: int, report: Report) -> None:
    """The window is every block from the final one to the newest, without a hole."""
    rows, expected = snapshot.blocks(), first
    while page := list(islice(rows, _PAGE)):
        inside = [row for row in page if 0 <= row["number"] <= snapshot.number]
        known = dict(zip((row["number"] for row in inside), chain.blocks([r["number"] for r in inside]), strict=True))
        for row in page:
            block = known.get(row["number"])
            item = Item(Source.MIRROR, "block", str(row["number"]), row["number"])
            if block is None or row["number"] < expected:
                report.compare(_WINDOW, item, "(row)", "present", "absent")
                continue
            _gap(expected, row["number"], report)
            expected = row["number"] + 1
            for column in ("hash", "parent_hash", "time"):
                report.compare(_WINDOW, item, column, row[column], getattr(block, column))
    _gap(expected, snapshot.number + 1, report)


def _gap(first: int, end: int, report: Report) -> None:
    if first < end:
        item = Item(Source.MIRROR, "block", f"{first}-{end - 1}" if end - first > 1 else str(first), first)
        report.compare(_WINDOW, item, "(row)", "absent", "present")


def note_health(snapshot: Snapshot, report: Report) -> None:
    """Note what the indexer says of itself; it explains differences but is none."""
    health = snapshot.health()
    if health is not None and health[0] != "ok":
        report.notes.append(f"The indexer says it is {health[0]}: {health[1]}")
    for first, last in snapshot.missing_ranges():
        report.notes.append(f"The mirror passed over blocks {first:,} to {last:,} and has yet to read them.")
    count = snapshot.dead_letters()
    if count:
        report.notes.append(f"The mirror holds {count:,} log(s) of our contracts that it could not read.")
