"""Statements of the operators' view."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select

from backend.txm.models import Intent, RelayAccount, Transaction
from backend.txm.states import IN_FLIGHT, IntentState


def keys(chain_id: int) -> Select[RelayAccount, int, Any]:
    """Every relayer key with how many of its transactions have no receipt, and the lowest nonce among them."""
    flying = and_(
        Transaction.chain_id == RelayAccount.chain_id,
        Transaction.account == RelayAccount.address,
        Transaction.state.in_(IN_FLIGHT),
    )
    return (
        select(RelayAccount, func.count(Transaction.id), func.min(Transaction.nonce))
        .outerjoin(Transaction, flying)
        .where(RelayAccount.chain_id == chain_id)
        .group_by(RelayAccount.chain_id, RelayAccount.address)
        .order_by(RelayAccount.address)
    )


def key(chain_id: int, address: bytes) -> Select[RelayAccount, int, Any]:
    """One relayer key, with the same."""
    return keys(chain_id).where(RelayAccount.address == address).execution_options(populate_existing=True)


def queued() -> Select[int]:
    """How many intents wait for a key."""
    return select(func.count()).select_from(Intent).where(Intent.state == IntentState.QUEUED.value)
