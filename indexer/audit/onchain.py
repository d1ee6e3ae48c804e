"""Every value the logs give, against what the contracts answer at one block; a hundred questions at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from aicp.abi.runtime import AbiError
from indexer.audit.book import KINDS, Book
from indexer.audit.patience import Patient, Refused
from indexer.audit.progress import Progress
from indexer.audit.question import Ground, Question
from indexer.audit.questions import questions
from indexer.audit.report import Item, Report, Source
from indexer.audit.totals import Totals
from indexer.background import Task, Threaded
from indexer.core.chain_view import Block
from indexer.core.context import Contracts
from indexer.core.rows import BonusPool, EscrowConfig, StateRow

BATCH: Final = 100

_Asked = tuple[Sequence[Question], Task[list[bytes | Refused]]]
"""Questions, and their answers once they are there."""


def compare(  # noqa: PLR0917  # whom to ask, what about, and where the answers go
    chain: Patient, book: Book, ground: Ground, block: Block, report: Report, progress: Progress
) -> None:
    """Ask the contracts about every row, and the token about every contract, all at `block` by its hash."""
    totals = Totals(book, ground)
    progress.phase("Asking the contracts", book.size())
    asked: _Asked | None = None
    waiting: list[Question] = []
    for number, row in enumerate(_rows(book, ground.contracts)):
        totals.add(row)
        waiting.extend(questions(row, ground))
        if len(waiting) >= BATCH:
            asked, before = _ask(chain, waiting, block), asked
            _compare(before, report)
            waiting = []
            progress.at(number)
    _compare(asked, report)
    if waiting:
        _compare(_ask(chain, waiting, block), report)
    totals.compare(chain, block, report)


def _rows(book: Book, contracts: Contracts) -> Iterator[StateRow]:
    """Return every row, and of what a contract keeps once an empty row where no log tells of it."""
    for kind in KINDS:
        yield from book.rows(kind)
    if book.find(BonusPool, contracts.reputation) is None:
        yield BonusPool(contract=contracts.reputation)
    if book.find(EscrowConfig, contracts.escrow) is None:
        yield EscrowConfig(contract=contracts.escrow)


def _ask(chain: Patient, asked: Sequence[Question], block: Block) -> _Asked:
    """Begin to ask: the node works while we compare the answers before."""
    calls = [(question.contract, question.calldata) for question in asked]
    return asked, Threaded(partial(chain.view_calls, calls, block.hash))


def _compare(asked: _Asked | None, report: Report) -> None:
    if asked is None:
        return
    put, answers = asked
    for question, answer in zip(put, answers.result(), strict=True):
        row = question.row
        place = (row.block_number, row.tx_hash) if row.tx_hash else (None, None)
        item = Item(Source.CHAIN, row.TABLE, "0x" + getattr(row, row.KEY).hex(), *place)
        what = f"{row.TABLE} values against the contracts"
        if isinstance(answer, Refused):
            report.compare(what, item, "(answer)", answer.reason, "an answer")
            continue
        try:
            pairs = list(question.pairs(answer))
        except AbiError as error:
            report.compare(what, item, "(answer)", f"0x{answer.hex()} ({error})", "a readable answer")
            continue
        for column, found, derived in pairs:
            report.compare(what, item, column, found, derived)
