"""Statements of the relayed-gas budget."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, literal, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.wallet.models import RelayedGas


def add_gas(address: bytes, day: dt.date, gas: int, limit: int) -> Any:
    """Reserve gas for an address if its day has room; returns the day's sum, or no row when it has none."""
    statement = pg_insert(RelayedGas).values(address=address, day=day, gas=gas)
    return statement.on_conflict_do_update(
        index_elements=["address", "day"],
        set_={"gas": RelayedGas.gas + statement.excluded.gas},
        where=RelayedGas.gas + statement.excluded.gas <= limit,
    ).returning(RelayedGas.gas)


def gas_on(address: ColumnElement[bytes], day: dt.date) -> ScalarSelect[int]:
    """What is reserved for an address on a day, for use inside another statement."""
    asked = select(func.coalesce(func.sum(RelayedGas.gas), 0))
    return asked.where(RelayedGas.address == address, RelayedGas.day == day).scalar_subquery()


def reserved(address: bytes, day: dt.date) -> Select[int]:
    """What is reserved for an address on a day."""
    return select(gas_on(literal(address), day))


def correct_gas(address: bytes, day: dt.date, change: int) -> Any:
    """Add gas to an address's day, or take some off it, whatever the limit."""
    statement = pg_insert(RelayedGas).values(address=address, day=day, gas=max(change, 0))
    return statement.on_conflict_do_update(
        index_elements=["address", "day"], set_={"gas": func.greatest(RelayedGas.gas + change, 0)}
    )
