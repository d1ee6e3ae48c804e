"""Intents: what the rest of the service asks the transaction manager for, and what it may ask about them.

Invariants: one intent per idempotency key for ever; its state and the event that tells of it are one commit.
A crash before the caller's commit leaves no intent; after it, the next sweep of any worker carries it out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.errors import IdempotencyMismatch, NotFound
from backend.notifications import sources as notices
from backend.outbox.service import emit_many
from backend.txm import repo
from backend.txm.models import Intent
from backend.txm.states import IntentState, Priority


def intent_hash(to: bytes, data: bytes, account: bytes | None) -> bytes:
    """Return what two requests under one key must share: target, call data and fixed sender."""
    return hashlib.sha256(to + (account or bytes(20)) + data).digest()


def key_of_signature(signature: bytes) -> str:
    """Return how a signature stands in an idempotency key: a contract wallet's may be too long for the index.

    Keys written before held the whole signature, so who asks again for one of those gets a second intent. That moves
    nothing: each of these messages carries a nonce its contract takes once, so the later call fails by itself, in
    simulation as a rule, and is counted against the day's gas like any other.
    """
    return hashlib.sha256(signature).hexdigest()


def enqueue(
    session: Session,
    ctx: Context,
    *,
    idem_key: str,
    kind: str,
    on_behalf_of: bytes,
    to: bytes,
    data: bytes,
    expires_at: dt.datetime | None,
    reference: dict[str, Any],
    account: bytes | None = None,
    gas_limit: int | None = None,
    priority: Priority = Priority.NORMAL,
    budget_wei: int | None = None,
    when_new: Callable[[], None] | None = None,
) -> Intent:
    """Ask for a call to be mined once; the same key and call again return the same intent.

    `expires_at` is the earliest expiry of the signatures in `data`; `budget_wei` the most its gas may cost, past which
    its fees are not raised. Raises IdempotencyMismatch for another call.
    `when_new` runs in the same transaction for the one request that makes the intent, and for no repeat of it.
    """
    digest = intent_hash(to, data, account)
    now = moment(ctx.now())
    values = {
        "id": new_id(),
        "idem_key": idem_key,
        "intent_hash": digest,
        "kind": kind,
        "on_behalf_of": on_behalf_of,
        "to": to,
        "data": data,
        "value": 0,
        "gas_limit": gas_limit,
        "account": account,
        "expires_at": expires_at,
        "priority": int(priority),
        "budget_wei": budget_wei,
        "state": IntentState.QUEUED.value,
        "reference": reference,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(repo.new_intent(values))
    intent = session.execute(repo.intent_by_key(idem_key)).scalar_one()
    if intent.intent_hash != digest:
        raise IdempotencyMismatch("This step was asked for before with another call.")
    if intent.id == values["id"]:
        if when_new is not None:
            when_new()
        announce(session, intent)
        session.execute(repo.ring())
    return intent


def set_state(session: Session, ctx: Context, intent: Intent, state: IntentState, **changes: Any) -> None:
    """Write the state of an intent the caller has locked, with further columns, and announce it."""
    if change(ctx, intent, state, **changes):
        session.flush()
        announce(session, intent)


def change(ctx: Context, intent: Intent, state: IntentState, **changes: Any) -> bool:
    """Set the state of an intent the caller has locked, and further columns; return whether that is news.

    The caller announces what is, in the same transaction.
    """
    if intent.state == state.value and all(getattr(intent, name) == value for name, value in changes.items()):
        return False
    intent.state = state.value
    for name, value in changes.items():
        setattr(intent, name, value)
    intent.updated_at = moment(ctx.now())
    return True


def mark_sent(session: Session, ctx: Context, sent: Sequence[tuple[Intent, bytes, int]]) -> None:
    """Write down that intents the caller has locked were signed, with hash and gas limit, and announce it."""
    now = moment(ctx.now())
    session.execute(repo.intents_sent([(intent.id, tx_hash, gas) for intent, tx_hash, gas in sent], now))
    for intent, tx_hash, _ in sent:
        session.expunge(intent)  # the row is written above, at once with the others
        intent.state, intent.tx_hash = IntentState.SENT.value, tx_hash
        intent.error_code = intent.error_detail = None
    announce(session, *(intent for intent, _, _ in sent))


def announce(session: Session, *intents: Intent, outcomes: Mapping[uuid.UUID, str] | None = None) -> None:
    """Tell the accounts that intents act for that they changed, or what nodes said to them."""
    emit_many(
        session,
        "intent.changed",
        [
            (
                {
                    "intent_id": intent.id,
                    "kind": intent.kind,
                    "state": intent.state,
                    "tx_hash": None if intent.tx_hash is None else hex0x(intent.tx_hash),
                    "error_code": intent.error_code,
                    "reference": intent.reference,
                    "outcome": (outcomes or {}).get(intent.id),
                },
                [intent.on_behalf_of],
            )
            for intent in intents
        ],
    )
    notices.transactions_failed(session, intents)


def get(session: Session, intent_id: uuid.UUID) -> Intent:
    """Return an intent. Raises NotFound."""
    intent = session.execute(repo.intent(intent_id)).scalar_one_or_none()
    if intent is None:
        raise NotFound("There is no such transaction.")
    return intent


def history(session: Session, prefix: str) -> list[Intent]:
    """Return the intents whose key begins with `prefix`, newest first."""
    return list(session.execute(repo.intents_like(prefix)).scalars())
