"""Relayed transactions as their owners see them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from backend.txm import repo
from backend.txm.models import Attempt, Intent, Transaction
from backend.txm.states import IntentState, TxState
from backend.wallet.schemas import AttemptOut, IntentOut, TransactionOut


def intents_out(session: Session, intents: Sequence[Intent]) -> list[IntentOut]:
    """Return intents with all their transactions and their attempts."""
    by_intent: dict[uuid.UUID, list[Transaction]] = {}
    rows = list(session.execute(repo.transactions_of([intent.id for intent in intents])).scalars())
    for row in rows:
        intent_id = row.intent_id or row.rejected_intent_id
        assert intent_id is not None
        by_intent.setdefault(intent_id, []).append(row)
    attempts: dict[uuid.UUID, list[AttemptOut]] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in rows])).scalars():
        attempts.setdefault(attempt.tx_id, []).append(_attempt_out(attempt))
    return [_out(intent, by_intent.get(intent.id, []), attempts) for intent in intents]


def _attempt_out(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        hash=attempt.hash,
        max_fee_wei=str(attempt.max_fee_wei),
        tip_wei=str(attempt.tip_wei),
        signed_at=attempt.signed_at,
        accepted=attempt.first_accepted_at is not None,
        outcome=attempt.outcome,
        spends_nothing=attempt.spends_nothing,
    )


def _transaction_out(row: Transaction, attempts: list[AttemptOut]) -> TransactionOut:
    return TransactionOut(
        sender=row.account,
        nonce=row.nonce,
        state="rejected" if row.rejected_intent_id is not None else TxState(row.state).value,
        mined_hash=row.mined_hash,
        block_number=row.block_number,
        attempts=attempts,
    )


def intent_out(session: Session, intent: Intent) -> IntentOut:
    """Return one intent."""
    return intents_out(session, [intent])[0]


def _out(intent: Intent, rows: Sequence[Transaction], attempts: Mapping[uuid.UUID, list[AttemptOut]]) -> IntentOut:
    row = rows[-1] if rows else None
    return IntentOut(
        id=intent.id,
        kind=intent.kind,
        state=IntentState(intent.state).value,
        on_behalf_of=intent.on_behalf_of,
        to=intent.to,
        sender=None if row is None else row.account,
        nonce=None if row is None else row.nonce,
        tx_hash=intent.tx_hash,
        block_number=intent.block_number,
        gas_used=intent.gas_used,
        error_code=intent.error_code,
        error_detail=intent.error_detail,
        expires_at=intent.expires_at,
        reference=intent.reference,
        attempts=[] if row is None else attempts.get(row.id, []),
        transactions=[_transaction_out(one, attempts.get(one.id, [])) for one in rows],
        cancel_asked_at=intent.cancel_asked_at,
        budget_wei=None if intent.budget_wei is None else str(intent.budget_wei),
        created_at=intent.created_at,
        updated_at=intent.updated_at,
    )
