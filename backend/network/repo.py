"""Statements behind the network's status and totals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select, type_coerce

from backend.db.base import Units
from backend.payments.models import Pool
from backend.txm.models import Intent


def open_intents() -> Select[int]:
    """How many relayed calls are on their way."""
    return select(func.count()).select_from(Intent).where(Intent.state.in_(["queued", "sent", "mined"]))


def earned_off_chain() -> Select[Any]:
    """The sum of all receipts, in base units."""
    return select(type_coerce(func.coalesce(func.sum(Pool.earned_units), 0), Units))
