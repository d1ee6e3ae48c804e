"""Sends stored bytes. What a node answers never decides a transaction's fate, only a receipt does.

A lost answer means unknown: the same bytes are sent again, which is harmless. A crash at any point is repaired by the
next round, which finds everything that has no receipt yet.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.txm import repo
from backend.txm.classify import SendOutcome, classify, combined
from backend.txm.heal import replace_by_noop
from backend.txm.machine import REBROADCAST_SECONDS, Machine
from backend.txm.models import Attempt, Transaction
from backend.txm.states import TxState

_log = structlog.get_logger("txm.broadcast")


def _due(session: Session, now: dt.datetime, machine: Machine) -> list[tuple[Transaction, Attempt]]:
    """Return transactions without a receipt whose newest bytes were not sent lately, in nonce order."""
    rows = session.execute(repo.unmined(machine.keys.chain_id, machine.keys.addresses)).scalars().all()
    newest: dict[uuid.UUID, Attempt] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in rows])).scalars():
        newest[attempt.tx_id] = attempt
    lately = now - dt.timedelta(seconds=REBROADCAST_SECONDS)
    due: list[tuple[Transaction, Attempt]] = []
    for row in rows:
        sent_at = newest[row.id].last_broadcast_at
        if sent_at is None or sent_at <= lately:
            due.append((row, newest[row.id]))
    return due


def broadcast(machine: Machine) -> int:
    """Send what has no receipt and was not sent lately; return how many were sent."""
    due = machine.db.read(lambda s: _due(s, moment(machine.ctx.now()), machine))
    for row, attempt in due:
        answers = machine.rpc.broadcast(attempt.raw)
        outcome = combined([classify(answer) for answer in answers])
        problem = None if None in answers else "; ".join(str(answer) for answer in answers)
        _record(machine, row, attempt, outcome, problem)
    return len(due)


def _record(machine: Machine, row: Transaction, attempt: Attempt, outcome: SendOutcome, problem: str | None) -> None:
    now = moment(machine.ctx.now())

    def run(session: Session) -> bool:
        current = session.execute(repo.transaction_locked(row.id)).scalar_one_or_none()
        if current is None:
            return False
        sent = session.execute(repo.attempt(attempt.tx_id, attempt.seq)).scalar_one()
        sent.last_broadcast_at = now
        sent.last_error = problem
        match outcome:
            case SendOutcome.ACCEPTED | SendOutcome.KNOWN:
                sent.first_accepted_at = sent.first_accepted_at or now
                if current.state == TxState.SIGNED.value:
                    current.state = TxState.ACCEPTED.value
            case SendOutcome.REJECTED:
                if current.state == TxState.SIGNED.value and sent.first_accepted_at is None:
                    return True
            case SendOutcome.NONCE_TOO_LOW | SendOutcome.UNDERPRICED | SendOutcome.UNKNOWN | SendOutcome.REVERTED:
                _log.info("a broadcast is undecided", tx=str(row.id), outcome=outcome.value, answer=problem)
            case SendOutcome.WRONG_NODE:
                _log.error("no node of our chain takes a broadcast", tx=str(row.id), answer=problem)
            case SendOutcome.INSUFFICIENT_FUNDS:
                _log.error("a relayer key is out of funds", sender="0x" + row.account.hex())
            case _:
                assert_never(outcome)
        return False

    if machine.db.write(run):
        replace_by_noop(machine, row.id, problem or "")
