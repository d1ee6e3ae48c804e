"""Reads across contracts: totals for the landing page and what left the ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.escrow import escrow as escrows
from indexer.projections.ledger import ledger as ledgers
from indexer.projections.ledger import ledger_entry
from indexer.projections.payment_channel import pool as pools
from indexer.projections.payment_channel import receiver as receivers
from indexer.projections.reputation import stake as stakes
from indexer.views.asof import as_of
from indexer.views.sync import before, bound, cursor_of, marks, origin_of
from indexer.views.types import Totals, WithdrawalRow

MAX_WITHDRAWALS = 200
_SUMMED = (escrows, ledgers, pools, receivers, stakes)


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), literal(0))


def totals(s: Session, min_finality: Finality = Finality.SEEN) -> Totals:
    """Return the sums over everything in the mirror, as of the newest block of this finality."""
    escrow, ledger, pool, receiver, stake = (as_of(table, min_finality) for table in _SUMMED)
    locked = escrow.c.amount_units - escrow.c.released_units - escrow.c.refunded_units
    parts: tuple[Select[Any], ...] = (
        select(
            func.count().label("escrow_count"),
            _sum(locked).label("escrow_locked_units"),
            _sum(escrow.c.released_units).label("escrow_released_units"),
            _sum(escrow.c.fee_units).label("fee_units"),
        ).select_from(escrow),
        select(_sum(ledger.c.balance_units).label("ledger_units")),
        select(_sum(pool.c.balance_units).label("pool_balance_units")),
        select(
            _sum(receiver.c.claimed_units).label("claimed_units"),
            _sum(receiver.c.settled_units).label("settled_units"),
        ),
        select(_sum(stake.c.staked_units).label("staked_units")),
    )  # fmt: skip
    values: dict[str, int] = {}
    for part in parts:
        values.update({key: int(value) for key, value in s.execute(part).mappings().one().items()})
    return Totals(**values)


def withdrawals(
    s: Session,
    contracts: Sequence[bytes],
    account: bytes,
    *,
    cursor: str | None,
    limit: int,
    min_finality: Finality = Finality.SEEN,
) -> list[WithdrawalRow]:
    """Return what the account took out of the ledgers of these contracts, newest first, after `cursor`.

    Money taken back from pools and channels is not in a ledger: see their events. At most 200 rows. Raises ValueError
    for a cursor this function did not make.
    """
    entry = ledger_entry.c
    statement = select(ledger_entry, *marks()).where(
        entry.ledger_id.in_([contract + account for contract in contracts]),
        entry.kind == "withdrawn",
        entry.block_number <= bound(min_finality),
    )
    if cursor is not None:
        statement = statement.where(before(ledger_entry, cursor))
    ordered = statement.order_by(entry.block_number.desc(), entry.log_index.desc())
    return [
        WithdrawalRow(
            contract=bytes(row["ledger_id"][:20]),
            amount_units=-row["delta_units"],
            left_units=row["balance_units"],
            cursor=cursor_of(row),
            origin=origin_of(row),
        )
        for row in s.execute(ordered.limit(min(limit, MAX_WITHDRAWALS))).mappings()
    ]
