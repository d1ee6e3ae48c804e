"""What the audit asks the arbiter, and what the arbiter owes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from aicp.abi import arbiter as abi
from aicp.abi.enums import BallotState, DisputePeriod, SessionPhase
from indexer.audit.contribution import Contribution
from indexer.audit.question import Pair, Question, single
from indexer.core.arbiter_rows import ArbiterBallot, ArbiterDispute, ArbiterRound, ArbiterSession, Juror
from indexer.core.rows import Ledger, StateRow

_PASSING: Final = (DisputePeriod.COMMIT, DisputePeriod.REVEAL, DisputePeriod.APPEAL)


def questions(row: StateRow, contract: bytes) -> Iterator[Question]:
    """Return the view calls that check a row of the arbiter; none for any other row."""
    ask: Callable[[bytes, Callable[[bytes], list[Pair]]], Question] = partial(Question, row, contract)
    match row:
        case ArbiterDispute():
            yield ask(abi.encode_dispute_of(_number(row.dispute_id)), partial(_dispute, row))
            if row.extra_data is not None:
                calldata = abi.encode_dispute_id_of(row.arbitrable, row.extra_data)
                yield single(row, contract, calldata, "dispute_id", _dispute_id)
        case ArbiterRound():
            dispute_id = _number(row.dispute_id)
            yield ask(abi.encode_round_of(dispute_id, row.round_number), partial(_round, row))
            yield ask(abi.encode_appeal_of(dispute_id, row.round_number), partial(_appeal, row))
        case ArbiterBallot():
            calldata = abi.encode_ballot_of(_number(row.dispute_id), row.round_number, row.juror)
            yield ask(calldata, partial(_ballot, row))
        case Juror():
            yield ask(abi.encode_juror_of(row.juror), partial(_juror, row))
        case ArbiterSession():
            yield ask(abi.encode_session(), partial(_session, row))
        case Contribution():
            calldata = abi.encode_contribution_of(_number(row.dispute_id), row.round_number, row.account)
            yield ask(calldata, partial(_contribution, row))
        case _:
            return


def balance(row: Ledger) -> Question:
    """Return the call that checks a balance."""
    return single(row, row.contract, abi.encode_balance_of(row.account), "balance_units", abi.decode_balance_of_result)


def owed(row: StateRow) -> int:
    """Return what a row of the arbiter says it owes, in base units; 0 for any other row. Balances are not in it."""
    match row:
        case Juror():
            return row.free_units + row.locked_units
        case ArbiterRound():
            return row.pot_units + row.appeal_left_units
        case _:
            return 0


def _number(dispute_id: bytes) -> int:
    return int.from_bytes(dispute_id, "big")


def _dispute(row: ArbiterDispute, raw: bytes) -> list[Pair]:
    state = abi.decode_dispute_of_result(raw)
    written = DisputePeriod[row.period.upper()]
    # time goes on without a transaction, and the contract's answer knows the time
    period = max(written, state.period) if written in _PASSING else written
    executed = row.ruling is not None
    pairs: list[Pair] = [
        ("arbitrable", state.arbitrable, row.arbitrable),
        ("round_number", state.round, row.round_number),
        ("period", state.period, period),
        ("executed", state.executed, executed),
    ]
    return [*pairs, ("ruling", state.ruling, row.ruling)] if executed else pairs


def _round(row: ArbiterRound, raw: bytes) -> list[Pair]:
    state = abi.decode_round_of_result(raw)
    return [
        ("seats", state.seats, row.seats),
        ("drawn", state.drawn, row.drawn),
        ("committed", state.committed, row.committed),
        ("refused_votes", state.refused, row.refused_votes),
        ("first_votes", state.first, row.first_votes),
        ("second_votes", state.second, row.second_votes),
        ("leaked", state.leaked, row.leaked),
        ("swept", state.swept, row.swept),
    ]


def _appeal(row: ArbiterRound, raw: bytes) -> list[Pair]:
    raised = abi.decode_appeal_of_result(raw)
    return [
        ("appeal_first_units", raised.first, row.appeal_first_units),
        ("appeal_second_units", raised.second, row.appeal_second_units),
    ]


def _ballot(row: ArbiterBallot, raw: bytes) -> list[Pair]:
    ballot = abi.decode_ballot_of_result(raw)
    commitment = row.commitment[:25] if row.commitment is not None else bytes(25)
    return [
        ("seats", ballot.seats, row.seats),
        ("commitment", ballot.commitment, commitment),
        ("choice", ballot.choice, row.choice or 0),
        ("state", ballot.state, BallotState[row.state.upper()]),
        ("settled", ballot.settled, row.settled),
    ]


def _juror(row: Juror, raw: bytes) -> list[Pair]:
    held: Any = abi.decode_juror_of_result(raw)
    return [
        ("free_units", held.free, row.free_units),
        ("locked_units", held.locked, row.locked_units),
        ("weight_units", held.weight, row.weight_units),
        ("requested_units", held.requested, row.requested_units),
        ("unbond_at", held.unbond_at, row.unbond_at or 0),
    ]


def _contribution(row: Contribution, raw: bytes) -> list[Pair]:
    paid = abi.decode_contribution_of_result(raw)
    return [("first_units", paid.first, row.first_units), ("second_units", paid.second, row.second_units)]


def _dispute_id(raw: bytes) -> bytes:
    return abi.decode_dispute_id_of_result(raw).to_bytes(32, "big")


def _session(row: ArbiterSession, raw: bytes) -> list[Pair]:
    session = abi.decode_session_result(raw)
    return [
        ("number", session.number, row.number),
        ("phase", session.phase, SessionPhase[row.phase.upper()]),
        ("since", session.since, row.since),
    ]
