"""Statements behind the network's status and totals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select, type_coerce

from backend.db.base import Units
from backend.payments.models import Pool
from backend.txm.models import Intent, NodeState, RelayAccount, Transaction
from backend.txm.states import IN_FLIGHT


def open_intents() -> Select[int]:
    """How many relayed calls are on their way."""
    return select(func.count()).select_from(Intent).where(Intent.state.in_(["queued", "sent", "mined"]))


def earned_off_chain() -> Select[Any]:
    """The sum of all receipts, in base units."""
    return select(type_coerce(func.coalesce(func.sum(Pool.earned_units), 0), Units))


def nodes() -> Select[NodeState]:
    """What the workers found of their nodes."""
    return select(NodeState).order_by(NodeState.name)


def keys(chain_id: int) -> Select[int, int]:
    """How many relayer keys are in use and how many are quarantined."""
    bad = RelayAccount.quarantined_reason.is_not(None)
    return select(func.count().filter(~bad), func.count().filter(bad)).where(RelayAccount.chain_id == chain_id)


def in_flight(chain_id: int) -> Select[int]:
    """How many transactions have no receipt."""
    return select(func.count()).where(Transaction.chain_id == chain_id, Transaction.state.in_(IN_FLIGHT))
