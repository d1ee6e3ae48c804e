"""The audit itself: derive, compare with the contracts at one final block, with mirror and receipts at the mirror's."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import Engine

from indexer.audit import mirror, onchain, receipts
from indexer.audit.derive import History, Progress
from indexer.audit.report import Difference, Report, Source
from indexer.chain.node import Node
from indexer.core.reducer import Reducer
from indexer.store.readback import Snapshot, snapshot


def audit(
    node: Node, reducer: Reducer, token: bytes, *, first: int, engine: Engine | None, progress: Progress
) -> Report:
    """Return the report; `first` is the first block with a log of ours, `engine` a mirror to check as well.

    Raises ChainError when the node fails, UndecodableError when the logs contradict themselves, LookupError when the
    mirror is empty or ahead of the node.
    """
    report = Report()
    with ExitStack() as stack:
        held = stack.enter_context(snapshot(engine)) if engine is not None else None
        tip = node.tip()
        final = tip.final.block
        report.block_number, report.block_hash = final.number, final.hash
        if held is not None:
            if held.number > tip.head.block.number:
                raise LookupError(f"the mirror is at block {held.number}, the node only at {tip.head.block.number}")
            report.mirror_block = held.number
        history = History(node, reducer, first)
        stops = sorted({final.number, held.number if held is not None else final.number})
        for stop in stops:
            _take(history, stop, held, report, progress)
            if stop == final.number:
                onchain.compare(node, history.state(), reducer.contracts, token, report)
            if held is not None and stop == held.number:
                _compare_position(node, held, report)
                mirror.compare_state(history.state(), held, report)
                receipts.compare(history.state(), held, reducer.contracts.channel_domain, report)
    return report


def _take(history: History, stop: int, held: Snapshot | None, report: Report, progress: Progress) -> None:
    for stretch in history.advance(stop):
        report.events += stretch.events
        if held is not None and stretch.last <= held.number:
            mirror.compare_events(stretch, held, report)
        progress(stretch.last)


def _compare_position(node: Node, held: Snapshot, report: Report) -> None:
    """The mirror's newest block must be the chain's block of that number."""
    block = node.header(held.number).block
    report.checked["cursor rows against the chain"] += 1
    if block.hash != held.hash:
        report.differences.append(
            Difference(
                source=Source.MIRROR,
                table="cursor",
                key=str(held.number),
                column="hash",
                found=held.hash,
                derived=block.hash,
                block_number=held.number,
            )
        )
