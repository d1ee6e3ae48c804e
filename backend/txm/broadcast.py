"""Sends stored bytes. What a node answers never decides a transaction's fate, only a receipt does.

A lost answer means unknown: the same bytes are sent again, which is harmless. A crash at any point is repaired by the
next round, which finds everything that has no receipt yet. That bytes are about to be sent is written down before they
are: whoever dies meanwhile has perhaps sent them, and what a node may hold is never given up for a later rejection.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db.times import moment
from backend.failpoints import failpoint
from backend.txm import repo, repo_sends, service
from backend.txm.classify import SendOutcome, classify, combined, refused_by_all
from backend.txm.heal import replace_by_noop
from backend.txm.machine import REBROADCAST_SECONDS, Machine
from backend.txm.prepare import OUT_OF_FUNDS
from backend.txm.repo_sends import Said
from backend.txm.rpc import Answer

_TAKEN: Final = frozenset({SendOutcome.ACCEPTED, SendOutcome.KNOWN})
_log = structlog.get_logger("txm.broadcast")


@dataclass(frozen=True, slots=True)
class Sending:
    """Bytes that are about to be sent."""

    tx_id: uuid.UUID
    account: bytes
    nonce: int
    seq: int
    raw: bytes


def broadcast(machine: Machine) -> int:
    """Send what has no receipt and was not sent lately; return how many were sent."""
    due = machine.db.write(partial(_claim, now=moment(machine.ctx.now()), machine=machine))
    if not due:
        return 0
    failpoint("txm.sending")
    answers = machine.rpc.broadcast([one.raw for one in due])
    failpoint("txm.sent")
    for tx_id, problem in machine.db.write(partial(_record, machine=machine, sent=due, answers=answers)):
        replace_by_noop(machine, tx_id, problem)
    return len(due)


def _claim(session: Session, *, now: dt.datetime, machine: Machine) -> list[Sending]:
    """Mark as being sent what has no receipt and was not sent lately, and return it in the order of keys and nonces.

    A stamp from the future is a clock that went back, and counts as long ago.
    """
    rows = session.execute(repo_sends.unmined_locked(machine.keys.chain_id, machine.keys.addresses)).tuples().all()
    if not rows:
        return []
    # read after the rows are locked: another worker may have just sent them
    newest = {row[0]: row for row in session.execute(repo_sends.newest_attempts([row[0] for row in rows])).tuples()}
    lately = now - dt.timedelta(seconds=REBROADCAST_SECONDS)
    due: list[Sending] = []
    for tx_id, account, nonce in rows:
        _, seq, raw, sent_at = newest[tx_id]
        if sent_at is None or not lately < sent_at <= now:
            due.append(Sending(tx_id, account, nonce, seq, raw))
    if due:
        session.execute(repo_sends.open_sends([(one.tx_id, one.seq) for one in due], now))
    return due


def _record(
    session: Session, *, machine: Machine, sent: Sequence[Sending], answers: Sequence[Sequence[Answer]]
) -> list[tuple[uuid.UUID, str]]:
    """Write down what the nodes answered; return the transactions that can never be mined, and why."""
    now = moment(machine.ctx.now())
    session.execute(repo.transactions_waited([one.tx_id for one in sent])).all()
    said: list[Said] = []
    for one, heard in zip(sent, answers, strict=True):
        outcomes = [classify(answer) for answer in heard]
        outcome = combined(outcomes)
        problem = None if None in heard else "; ".join(str(answer) for answer in heard)
        said.append(
            Said(
                tx_id=one.tx_id, seq=one.seq, outcome=outcome.value, problem=problem, accepted=outcome in _TAKEN,
                refused=refused_by_all(outcomes),
            )
        )  # fmt: skip
        if outcome not in _TAKEN:
            _log.warning("a broadcast is undecided", tx=str(one.tx_id), outcome=outcome.value, answer=problem)
        if outcome is SendOutcome.INSUFFICIENT_FUNDS:
            alarms.raise_alarm(session, AlarmKind.KEY_OUT_OF_FUNDS, hex0x(one.account), OUT_OF_FUNDS)
    session.execute(repo_sends.record_answers(said, now))
    session.execute(repo_sends.accept([one.tx_id for one in said if one.accepted], now))
    _announce(session, [one for one in said if not one.accepted])
    rejected = {one.tx_id: one.problem or "" for one in said if one.outcome == SendOutcome.REJECTED.value}
    if not rejected:
        return []
    return [(tx_id, rejected[tx_id]) for tx_id in session.execute(repo_sends.never_mined(list(rejected))).scalars()]


def _announce(session: Session, refused: Sequence[Said]) -> None:
    """Tell the owners of intents what was said to bytes no node has taken."""
    if not refused:
        return
    outcomes = {one.tx_id: one.outcome for one in refused}
    found = session.execute(repo_sends.intents_of(list(outcomes))).tuples().all()
    service.announce(
        session, *(intent for _, intent in found), outcomes={intent.id: outcomes[tx_id] for tx_id, intent in found}
    )
