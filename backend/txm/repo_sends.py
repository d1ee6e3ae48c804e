"""Statements over attempts that are sent, and what was said to them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Update, exists, or_, select, text, tuple_, update

from backend.txm.models import Attempt, Intent, Transaction
from backend.txm.repo import unmined
from backend.txm.states import TxState


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the nodes said to one attempt: `refused` if none of them can have kept it."""

    tx_id: uuid.UUID
    seq: int
    outcome: str
    problem: str | None
    accepted: bool
    refused: bool


def unmined_locked(chain_id: int, addresses: Sequence[bytes]) -> Select[uuid.UUID, bytes, int]:
    """Id, account and nonce of the same, with their rows locked, without those another worker holds."""
    locked = unmined(chain_id, addresses).with_for_update(skip_locked=True)
    return locked.with_only_columns(Transaction.id, Transaction.account, Transaction.nonce)


def attempt_hashes(tx_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, bytes, bool]:
    """Transaction, hash, and whether it spends nothing, of every attempt."""
    return select(Attempt.tx_id, Attempt.hash, Attempt.spends_nothing).where(Attempt.tx_id.in_(tx_ids))


def send_again(tx_id: uuid.UUID) -> Update:
    """Let every attempt of a transaction be sent in the next round."""
    return update(Attempt).where(Attempt.tx_id == tx_id).values(last_broadcast_at=None)


def newest_attempts(tx_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, int, bytes, Any]:
    """Of each transaction the newest attempt: its number, bytes and when it was sent last."""
    return (
        select(Attempt.tx_id, Attempt.seq, Attempt.raw, Attempt.last_broadcast_at)
        .where(Attempt.tx_id.in_(tx_ids))
        .distinct(Attempt.tx_id)
        .order_by(Attempt.tx_id, Attempt.seq.desc())
    )


def open_sends(attempts: Sequence[tuple[uuid.UUID, int]], now: dt.datetime) -> Update:
    """Write down that attempts are about to be sent."""
    return (
        update(Attempt)
        .where(tuple_(Attempt.tx_id, Attempt.seq).in_(attempts))
        .values(last_broadcast_at=now, open_sends=Attempt.open_sends + 1)
    )


def record_answers(answers: Sequence[Said], now: dt.datetime) -> Any:
    """Write down what was said to attempts that were sent."""
    return text(
        "UPDATE txm.attempt a SET outcome = v.outcome, last_error = v.problem, open_sends = a.open_sends - v.closed, "
        "first_accepted_at = CASE WHEN v.accepted THEN coalesce(a.first_accepted_at, :now) "
        "ELSE a.first_accepted_at END "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS int[]), CAST(:outcomes AS text[]), CAST(:problems AS text[]), "
        "CAST(:accepted AS bool[]), CAST(:closed AS int[])) AS v(tx_id, seq, outcome, problem, accepted, closed) "
        "WHERE a.tx_id = v.tx_id AND a.seq = v.seq"
    ).bindparams(
        now=now,
        ids=[one.tx_id for one in answers],
        seqs=[one.seq for one in answers],
        outcomes=[one.outcome for one in answers],
        problems=[one.problem for one in answers],
        accepted=[one.accepted for one in answers],
        closed=[int(one.refused) for one in answers],
    )


def accept(tx_ids: Sequence[uuid.UUID], now: dt.datetime) -> Update:
    """Write down that some node has taken transactions."""
    return (
        update(Transaction)
        .where(Transaction.id.in_(tx_ids), Transaction.state == TxState.SIGNED.value)
        .values(state=TxState.ACCEPTED.value, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def never_mined(tx_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID]:
    """Those of signed transactions whose bytes no node may hold, or has held."""
    held = exists().where(
        Attempt.tx_id == Transaction.id, or_(Attempt.open_sends > 0, Attempt.first_accepted_at.is_not(None))
    )
    signed = Transaction.state == TxState.SIGNED.value
    return select(Transaction.id).where(Transaction.id.in_(tx_ids), signed, ~held)


def may_be_mined(tx_id: uuid.UUID) -> Select[bool]:
    """Whether some node may hold, or has held, bytes of the transaction."""
    return select(
        exists().where(Attempt.tx_id == tx_id, or_(Attempt.open_sends > 0, Attempt.first_accepted_at.is_not(None)))
    )


def intents_of(tx_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, Intent]:
    """The intents that transactions carry, with the transactions' ids."""
    return (
        select(Transaction.id, Intent)
        .join(Intent, Intent.id == Transaction.intent_id)
        .where(Transaction.id.in_(tx_ids))
    )
