"""Sends stored bytes. What a node answers never decides a transaction's fate, only a receipt does.

A lost answer means unknown: the same bytes are sent again, which is harmless. A crash at any point is repaired by the
next round, which finds everything that has no receipt yet. That bytes are about to be sent is written down before they
are: whoever dies meanwhile has perhaps sent them, and what a node may hold is never given up for a later rejection.
"""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

from backend.db.times import moment
from backend.txm import repo
from backend.txm.classify import SendOutcome, classify, combined, refused_by_all
from backend.txm.heal import replace_by_noop
from backend.txm.machine import REBROADCAST_SECONDS, Machine
from backend.txm.models import Attempt, Transaction
from backend.txm.states import TxState

_log = structlog.get_logger("txm.broadcast")


def _claim(session: Session, now: dt.datetime, machine: Machine) -> list[tuple[Transaction, Attempt]]:
    """Mark as being sent what has no receipt and was not sent lately, and return it in nonce order.

    A stamp from the future is a clock that went back, and counts as long ago.
    """
    rows = session.execute(repo.unmined_locked(machine.keys.chain_id, machine.keys.addresses)).scalars().all()
    newest: dict[uuid.UUID, Attempt] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in rows])).scalars():
        newest[attempt.tx_id] = attempt
    lately = now - dt.timedelta(seconds=REBROADCAST_SECONDS)
    due: list[tuple[Transaction, Attempt]] = []
    for row in rows:
        attempt = newest[row.id]
        if attempt.last_broadcast_at is None or not lately < attempt.last_broadcast_at <= now:
            attempt.last_broadcast_at = now
            attempt.open_sends += 1
            due.append((row, attempt))
    session.flush()
    return due


def broadcast(machine: Machine) -> int:
    """Send what has no receipt and was not sent lately; return how many were sent."""
    due = machine.db.write(lambda s: _claim(s, moment(machine.ctx.now()), machine))
    for row, attempt in due:
        answers = machine.rpc.broadcast(attempt.raw)
        problem = None if None in answers else "; ".join(str(answer) for answer in answers)
        outcomes = [classify(answer) for answer in answers]
        if machine.db.write(
            partial(_record, machine=machine, row=row, sent=attempt, outcomes=outcomes, problem=problem)
        ):
            replace_by_noop(machine, row.id, problem or "")
    return len(due)


def _record(
    session: Session,
    *,
    machine: Machine,
    row: Transaction,
    sent: Attempt,
    outcomes: list[SendOutcome],
    problem: str | None,
) -> bool:
    """Write down what the nodes answered; return whether the transaction can never be mined."""
    now = moment(machine.ctx.now())
    current = session.execute(repo.transaction_waited(row.id)).scalar_one()
    attempt = session.execute(repo.attempt(sent.tx_id, sent.seq)).scalar_one()
    attempt.last_error = problem
    outcome = combined(outcomes)
    match outcome:
        case SendOutcome.ACCEPTED | SendOutcome.KNOWN:
            attempt.first_accepted_at = attempt.first_accepted_at or now
            if current.state == TxState.SIGNED.value:
                current.state = TxState.ACCEPTED.value
        case SendOutcome.REJECTED:
            _log.error("every node rejects a transaction", tx=str(row.id), nonce=row.nonce, answer=problem)
        case SendOutcome.NONCE_TOO_LOW | SendOutcome.UNDERPRICED | SendOutcome.UNKNOWN | SendOutcome.REVERTED:
            _log.info("a broadcast is undecided", tx=str(row.id), outcome=outcome.value, answer=problem)
        case SendOutcome.WRONG_NODE:
            _log.error("no node of our chain takes a broadcast", tx=str(row.id), answer=problem)
        case SendOutcome.INSUFFICIENT_FUNDS:
            _log.error("a relayer key is out of funds", sender="0x" + row.account.hex())
        case _:
            assert_never(outcome)
    session.flush()
    if refused_by_all(outcomes):
        session.execute(repo.close_send(sent.tx_id, sent.seq))
    if outcome is not SendOutcome.REJECTED or current.state != TxState.SIGNED.value:
        return False
    return not session.execute(repo.may_be_mined(row.id)).scalar_one()
