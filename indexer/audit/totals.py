"""Sums over all rows: what each contract owes against its tokens, parts against their wholes, and the counters and
settings the contracts keep once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.runtime import AbiError
from aicp.rules.fees import fee
from indexer.audit import arbiter
from indexer.audit.book import PAGE, Book
from indexer.audit.patience import Patient, Refused
from indexer.audit.question import Ground
from indexer.audit.report import Item, Report, Source
from indexer.core.arbiter_rows import ArbiterBallot, ArbiterRound, Juror
from indexer.core.chain_view import Block
from indexer.core.dispute_rows import Dispute
from indexer.core.rows import (
    AgentRecord,
    BonusPool,
    Channel,
    Escrow,
    Ledger,
    Pool,
    Receiver,
    ScoreEpoch,
    Stake,
    StakeLock,
    StateRow,
)
from indexer.core.states import LockState, Outcome

_DISPUTED: Final = (Outcome.LOST, Outcome.WON, Outcome.TIE, Outcome.STALLED)
_RECORDED: Final[dict[str, tuple[Outcome, ...]]] = {
    "completed": (Outcome.COMPLETED, Outcome.WON),
    "failed": (Outcome.RETURNED, Outcome.MISSED),
    "lost": (Outcome.LOST,),
    "disputed": _DISPUTED,
}

Single = tuple[str, bytes, bytes, Callable[[bytes], Any], Any]
"""A counter of a contract: its name, the contract, the call, how to read the answer, and the value from the logs."""


@dataclass(slots=True)
class Totals:
    """Takes every row once, in any order, and then compares. Sums by key wait in the book, in the open transaction."""

    book: Book
    ground: Ground
    owed: Counter[bytes] = field(default_factory=Counter)
    seated: int = 0
    weight: int = 0
    jurors: int = 0
    epoch: ScoreEpoch | None = None
    _waiting: dict[str, Counter[bytes]] = field(default_factory=dict)
    _count: int = 0

    def add(self, row: StateRow) -> None:
        """Add a row to every sum it belongs to."""
        self._owe(row)
        match row:
            case Channel():
                self._add("drawn_units", row.pool_id, row.drawn_units)
            case StakeLock():
                self._add("locked_units", row.agent, row.amount_units if row.state == LockState.LOCKED else 0)
                self._add("slashed_units", row.agent, row.slashed_units)
            case Escrow() if row.accepted_at is not None and row.outcome is not None and not row.stake_locked:
                for column, outcomes in _RECORDED.items():
                    self._add(column, row.provider, int(row.outcome in outcomes))
            case ArbiterBallot():
                self._add("drawn", row.ballot_id[:33], row.seats)
                self.seated += 0 if row.settled else row.seats
            case Juror():
                self.weight += row.weight_units
                self.jurors += row.weight_units > 0
            case ScoreEpoch():
                self.epoch = row if self.epoch is None or row.epoch > self.epoch.epoch else self.epoch
        self._count += 1
        if self._count % PAGE == 0:
            self._flush()

    def compare(self, chain: Patient, block: Block, report: Report) -> None:
        """Compare the sums with each other, the counters with the contracts, and what is owed with the token."""
        self._flush()
        for item, what, column, whole, parts in self._wholes():
            report.compare(what, item, column, whole, parts)
        self._locks(report)
        for escrow in self.book.rows(Escrow):
            expected = fee(escrow.released_units, escrow.fee_bps)
            report.compare("escrow fees against their rule", _item(escrow), "fee_units", escrow.fee_units, expected)
        self._singles(chain, block, report)
        self._money(chain, block, report)

    def _owe(self, row: StateRow) -> None:
        contracts, owed = self.ground.contracts, self.owed
        match row:
            case Escrow():
                owed[contracts.escrow] += row.amount_units - row.released_units - row.refunded_units
            case Dispute():
                owed[contracts.escrow] += row.bond_left_units
            case Ledger():
                owed[row.contract] += row.balance_units
            case Channel():
                owed[contracts.payment_channel] += row.balance_units - row.total_claimed_units
            case Pool():
                owed[contracts.payment_channel] += row.balance_units
            case Receiver():
                owed[contracts.payment_channel] += row.claimed_units - row.settled_units
            case Stake():
                owed[contracts.reputation] += row.staked_units
            case BonusPool():
                owed[contracts.reputation] += row.balance_units
            case _ if contracts.arbiter is not None:
                owed[contracts.arbiter.address] += arbiter.owed(row)

    def _add(self, name: str, key: bytes, delta: int) -> None:
        if delta:
            self._waiting.setdefault(name, Counter())[key] += delta

    def _flush(self) -> None:
        for name, deltas in self._waiting.items():
            self.book.add(name, deltas)
        self._waiting.clear()

    def _wholes(self) -> Iterator[tuple[Item, str, str, int, int]]:
        for kind, columns, what in (
            (Pool, ("drawn_units",), "pool draws against channel draws"),
            (Stake, ("locked_units", "slashed_units"), "stakes against their locks"),
            (AgentRecord, tuple(_RECORDED), "agent records against their escrows"),
            (ArbiterRound, ("drawn",), "rounds against their ballots"),
        ):
            for page in self.book.pages(kind):
                keys = [getattr(row, row.KEY) for row in page]
                sums = {column: self.book.sums(column, keys) for column in columns}
                for key, row in zip(keys, page, strict=True):
                    for column in columns:
                        yield _item(row), what, column, getattr(row, column), sums[column][key]

    def _locks(self, report: Report) -> None:
        for page in self.book.pages(StakeLock):
            escrows = dict(self.book.load((Escrow, lock.escrow_id) for lock in page))
            for lock in page:
                escrow = escrows[Escrow, lock.escrow_id]
                found = (lock.agent, lock.amount_units, lock.state == LockState.LOCKED)
                derived: tuple[object, ...] = ()
                if isinstance(escrow, Escrow):
                    derived = (escrow.provider, escrow.stake_units, escrow.stake_locked)
                report.compare("stake locks against their escrows", _item(lock), "agent_amount_locked", found, derived)

    def _singles(self, chain: Patient, block: Block, report: Report) -> None:
        singles = list(self._counters())
        answers = chain.view_calls([(contract, calldata) for _, contract, calldata, _, _ in singles], block.hash)
        names = {address: name for name, address in self.ground.contracts.named.items()}
        for (column, contract, _, decode, derived), answer in zip(singles, answers, strict=True):
            item = Item(Source.CHAIN, names[contract], "0x" + contract.hex(), block.number)
            try:
                found = answer.reason if isinstance(answer, Refused) else decode(answer)
            except AbiError as error:
                found = str(error)
            report.compare("counters against the contracts", item, column, found, derived)

    def _counters(self) -> Iterator[Single]:
        contracts = self.ground.contracts
        reputation, court = contracts.reputation, contracts.arbiter
        last = self.epoch
        number, active_at = (0, 0) if last is None else (last.epoch, 0 if last.vetoed else last.active_at)
        yield ("latest_epoch", reputation, reputation_abi.encode_latest_epoch(),
               reputation_abi.decode_latest_epoch_result, number)  # fmt: skip
        yield ("latest_active_at", reputation, reputation_abi.encode_latest_active_at(),
               reputation_abi.decode_latest_active_at_result, active_at)  # fmt: skip
        if court is not None:
            session, read = arbiter_abi.encode_session(), arbiter_abi.decode_session_result
            yield ("seats_at_risk", court.address, session, lambda raw: read(raw).seated, self.seated)
            yield ("jurors", court.address, session, lambda raw: read(raw).jurors, self.jurors)
            yield ("total_weight", court.address, arbiter_abi.encode_total_weight(),
                   arbiter_abi.decode_total_weight_result, self.weight)  # fmt: skip

    def _money(self, chain: Patient, block: Block, report: Report) -> None:
        named = self.ground.contracts.named
        calls = [(self.ground.token, usdc_abi.encode_balance_of(contract)) for contract in named.values()]
        for (name, contract), answer in zip(named.items(), chain.view_calls(calls, block.hash), strict=True):
            held = 0 if isinstance(answer, Refused) else usdc_abi.decode_balance_of_result(answer)
            item = Item(Source.CONSERVATION, name, "0x" + contract.hex(), block.number)
            report.at_least("contracts hold what they owe", item, "usdc_units", held, self.owed[contract])
            report.held[name], report.owed[name] = held, self.owed[contract]


def _item(row: StateRow) -> Item:
    return Item(Source.CONSERVATION, row.TABLE, "0x" + getattr(row, row.KEY).hex(), row.block_number, row.tx_hash)
