"""Relayed transactions as their owners see them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.txm import repo
from backend.txm.models import Attempt, Intent, Transaction
from backend.wallet.schemas import AttemptOut, IntentOut


def intents_out(session: Session, intents: Sequence[Intent]) -> list[IntentOut]:
    """Return intents with their newest transaction and its attempts."""
    newest: dict[uuid.UUID, Transaction] = {}
    for row in session.execute(repo.transactions_of([intent.id for intent in intents])).scalars():
        assert row.intent_id is not None
        newest[row.intent_id] = row
    attempts: dict[uuid.UUID, list[Attempt]] = {}
    for attempt in session.execute(repo.attempts_of([row.id for row in newest.values()])).scalars():
        attempts.setdefault(attempt.tx_id, []).append(attempt)
    return [_out(intent, newest.get(intent.id), attempts) for intent in intents]


def intent_out(session: Session, intent: Intent) -> IntentOut:
    """Return one intent."""
    return intents_out(session, [intent])[0]


def _out(intent: Intent, row: Transaction | None, attempts: dict[uuid.UUID, list[Attempt]]) -> IntentOut:
    return IntentOut(
        id=intent.id,
        kind=intent.kind,
        state=intent.state,
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
        attempts=[
            AttemptOut(
                hash=attempt.hash,
                max_fee_wei=str(attempt.max_fee_wei),
                tip_wei=str(attempt.tip_wei),
                signed_at=attempt.signed_at,
                accepted=attempt.first_accepted_at is not None,
            )
            for attempt in (attempts.get(row.id, []) if row is not None else [])
        ],
        created_at=intent.created_at,
        updated_at=intent.updated_at,
    )
