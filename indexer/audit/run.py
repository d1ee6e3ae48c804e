"""The audit itself: derive, compare with the contracts at one final block, with mirror and receipts at the mirror's.

Only final blocks are committed to the book, each stretch with the report as it was after it, so a run that was killed
goes on where the last stretch ended. Blocks after the final one, which a mirror may have, are read last and not kept.
Nor are those read after the mirror's state was compared: the run that goes on compares it again, by its own snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.audit import ledger, mirror, onchain, position, receipts, scores, vouchers
from indexer.audit.book import Book, CheckpointError
from indexer.audit.derive import History
from indexer.audit.patience import Patient
from indexer.audit.progress import Progress
from indexer.audit.question import Ground
from indexer.audit.report import Report
from indexer.audit.signed import Wallets
from indexer.chain.errors import InconsistentNodeError
from indexer.core.chain_view import Block
from indexer.core.reducer import Reducer
from indexer.store.readback import Snapshot

NEAR: Final = 32
"""So many blocks behind, nodes still have the state to answer from; an audit that took longer reads on first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is audited: the token and the first block with a log of ours; `operators` may sign receipts, any if none."""

    token: bytes
    first: int
    operators: frozenset[bytes] = frozenset()
    vouchers: Sequence[Path] = ()
    scores: Sequence[scores.Scores] = ()


@dataclass(slots=True)
class Audit:
    """One run. `snapshot` is a mirror to check as well."""

    chain: Patient
    reducer: Reducer
    subject: Subject
    book: Book
    report: Report
    progress: Progress
    snapshot: Snapshot | None = None

    def run(self) -> None:
        """Fill the report. Raises ChainError when the node fails, UndecodableError when the logs contradict themselves,
        LookupError when the mirror is ahead of the node, CheckpointError when the chain is not the checkpoint's.
        """
        held, waits = self.snapshot, self.snapshot is not None
        tip = self.chain.tip()
        if held is not None and held.number > tip.head.block.number:
            raise LookupError(f"the mirror is at block {held.number}, the node only at {tip.head.block.number}")
        history, final = self._history(), tip.final.block
        while True:
            if held is not None and waits and held.number <= final.number:
                self._take(history, self.chain.block(held.number))
                self._mirror(held, final)
                waits = False
            self._take(history, final, keep=held is None or waits)
            newest = self.chain.tip().final.block
            if newest.number - final.number <= NEAR:
                break
            final = newest
        self._contracts(final)
        if held is not None and waits:
            self._take(history, self.chain.block(held.number), keep=False)
            self._mirror(held, final)
        if held is not None:
            mirror.compare_outside(self.subject.first, held, self.report)
            position.note_health(held, self.report)

    def _history(self) -> History:
        kept = self.book.position
        self.report.first_block = self.subject.first
        history = History(self.chain, self.reducer, self.book, self.subject.first)
        if kept is not None:
            if self.chain.block(kept.number).hash != kept.hash:
                raise CheckpointError(
                    f"{self.book.path} was taken after a block {kept.number} the chain does not have (any more)."
                )
            history.next_block, history.previous = kept.number + 1, kept.hash
        return history

    def _take(self, history: History, to: Block, *, keep: bool = True) -> None:
        if to.number < history.next_block - 1 and history.previous is not None:
            raise InconsistentNodeError(f"the node calls block {to.number} final, after block {history.next_block - 1}")
        first = self.subject.first
        self.progress.phase("Reading blocks", to.number - first + 1)
        self.progress.at(history.next_block - first)
        for stretch in history.advance(to):
            self.report.events += len(stretch.logs)
            if self.snapshot is not None and stretch.last.number <= self.snapshot.number:
                digest = mirror.compare_stretch(stretch, self.snapshot, self.report)
                self.book.keep_stretch(stretch.first, stretch.last.number, digest)
            if keep:
                self.book.commit(stretch.last.number, stretch.last.hash, self.report.saved())
            self.progress.at(stretch.last.number - first + 1)

    def _contracts(self, final: Block) -> None:
        self.report.block_number, self.report.block_hash = final.number, final.hash
        ground = Ground(self.reducer.contracts, self.subject.token, final.time)
        onchain.compare(self.chain, self.book, ground, final, self.report, self.progress)
        scores.compare(self.subject.scores, self.book, self.report)
        for path in self.subject.vouchers:
            vouchers.keep(path, self.book)
        if self.subject.vouchers:
            self.progress.phase("Checking receipts", 1)
            wallets = Wallets(self.chain, final.hash)
            vouchers.compare(self.book, ground.contracts.channel_domain, self.subject.operators, wallets, self.report)

    def _mirror(self, held: Snapshot, final: Block) -> None:
        self.report.mirror_block = held.number
        position.compare(self.chain, held, final, self.report)
        mirror.compare_state(self.book, held, self.report, self.progress)
        wallets = Wallets(self.chain, self.chain.tip().final.block.hash)
        domain = self.reducer.contracts.channel_domain
        receipts.compare(self.book, held, domain, wallets, self.report)
        ledger.compare(self.book, held, domain, wallets, self.report)
