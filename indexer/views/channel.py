"""Reads of pools, channels and receivers, and the one figure the backend may promise against."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Numeric, RowMapping, Select, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from aicp.rules.primitives import Finality
from indexer.projections.payment_channel import channel as channels
from indexer.projections.payment_channel import channel_event, pool_withdraw_seen, receiver_event
from indexer.projections.payment_channel import pool as pools
from indexer.projections.payment_channel import pool_event as pool_events_table
from indexer.views.decoded import CHANNEL_EVENTS, fields_of, with_log
from indexer.views.sync import bound, marks, origin_of
from indexer.views.types import ChannelRow, PoolEventRow, PoolRow, ReceiverRow

_EXACT = Numeric(78, 0)
_asked = pools.alias("asked_pool")
"""The pool an expression is about; never the `pools` of the statement it is put in, which would be compared with itself
and so be every pool."""


def _final_value(of: FromClause, name: str) -> ColumnElement[Decimal]:
    """Return the running value of a pool `of` as of the finalised block, 0 before its first event."""
    event = pool_events_table.alias(f"final_{name}")
    value = (
        select(event.c[name])
        .where(event.c.pool_id == of.c.pool_id, event.c.block_number <= bound(Finality.FINAL))
        .order_by(event.c.block_number.desc(), event.c.log_index.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )
    return type_coerce(func.coalesce(value, literal(0)), _EXACT)


def _pending(of: FromClause) -> ColumnElement[Decimal]:
    """Return the largest withdrawal pending from a pool `of`: at the newest or final block, or announced since."""
    seen = (
        select(func.max(pool_withdraw_seen.c.amount_units))
        .where(
            pool_withdraw_seen.c.pool_id == of.c.pool_id,
            pool_withdraw_seen.c.block_number > bound(Finality.FINAL),
        )
        .correlate(of)
        .scalar_subquery()
    )
    highest = func.greatest(of.c.withdraw_units, _final_value(of, "withdraw_units"), func.coalesce(seen, literal(0)))
    return type_coerce(highest, _EXACT)


def pool_headroom_expr(pool_id_column: ColumnElement[bytes]) -> ColumnElement[Decimal]:
    """Return SQL for what receipts and reserves of all time may add up to in the pool of `pool_id_column`.

    headroom = least(balance at the newest block, balance at the finalised block)
             - pending withdrawals (the largest: at the newest block, at the finalised block, or announced in any block
               above the finalised one, orphaned blocks included)
             + total drawn from the pool by operator-attested claims, at the finalised block.

    Exact base units as NUMERIC; 0 for an unknown pool; may be negative. Use it in one conditional UPDATE:
    `... WHERE pool_headroom_expr(pool.c.pool_id) >= earned + reserved + price`, where earned is the sum of every
    receipt ever issued under the pool and reserved what is promised but not earned. Why draws and not claims: a claim
    paid from a channel's own balance takes nothing from the pool, so counting it would let a buyer who pays himself
    promise the same cent twice. A draw never exceeds the receipts behind it.
    """
    headroom = func.least(_asked.c.balance_units, _final_value(_asked, "balance_units")) - _pending(_asked)
    statement = (
        select(type_coerce(headroom + _final_value(_asked, "drawn_units"), _EXACT))
        .where(_asked.c.pool_id == pool_id_column)
        .correlate_except(_asked)
        .scalar_subquery()
    )
    return type_coerce(func.coalesce(statement, literal(0)), _EXACT)


def pool_pending_expr(pool_id_column: ColumnElement[bytes]) -> ColumnElement[Decimal | None]:
    """Return SQL for the withdrawal pending from the pool of `pool_id_column`, NULL for a pool the chain does not know.

    The same reading as in `pool_headroom_expr`: above 0 as soon as any block has announced one.
    """
    statement = (
        select(_pending(_asked)).where(_asked.c.pool_id == pool_id_column).correlate_except(_asked).scalar_subquery()
    )
    return type_coerce(statement, _EXACT)


def threatened_pools() -> Select[bytes]:
    """The pools with a withdrawal pending, by the same reading as `pool_headroom_expr`, without asking every pool."""
    seen = select(pool_withdraw_seen.c.pool_id).where(pool_withdraw_seen.c.block_number > bound(Finality.FINAL))
    recent = pools.c.block_number > bound(Finality.FINAL)
    return select(pools.c.pool_id).where(
        (pools.c.withdraw_units > 0)
        | pools.c.pool_id.in_(seen)
        | (recent & (_final_value(pools, "withdraw_units") > 0))
    )


def _select_pool() -> Select[Any]:
    return (
        select(
            pools,
            pool_events_table.c.block_time,
            _final_value(pools, "balance_units").label("final_balance"),
            _final_value(pools, "drawn_units").label("final_drawn"),
            _pending(pools).label("pending"),
            *marks(),
        )
        .join(
            pool_events_table,
            (pool_events_table.c.block_number == pools.c.block_number)
            & (pool_events_table.c.log_index == pools.c.log_index),
        )
    )  # fmt: skip


def _pool_row(row: RowMapping) -> PoolRow:
    return PoolRow(
        pool_id=row["pool_id"],
        payer=row["payer"],
        payer_authorizer=row["payer_authorizer"],
        operator=row["operator"],
        balance_latest_units=row["balance_units"],
        balance_final_units=int(row["final_balance"]),
        pending_withdraw_units=int(row["pending"]),
        claimed_final_units=int(row["final_drawn"]),
        claimed_latest_units=row["drawn_units"],
        withdraw_units=row["withdraw_units"],
        finalize_at=row["finalize_at"],
        nonce=row["nonce"],
        origin=origin_of(row),
    )


def pool(s: Session, pool_id: bytes) -> PoolRow | None:
    """Return the pool with its newest and finalised values, or None if it never had a deposit."""
    row = s.execute(_select_pool().where(pools.c.pool_id == pool_id)).mappings().one_or_none()
    return None if row is None else _pool_row(row)


def pools_of(s: Session, payer: bytes) -> list[PoolRow]:
    """Return every pool of the payer, the most recently changed first."""
    statement = _select_pool().where(pools.c.payer == payer)
    ordered = statement.order_by(pools.c.block_number.desc(), pools.c.log_index.desc())
    return [_pool_row(row) for row in s.execute(ordered).mappings()]


def pool_events(s: Session, pool_id: bytes) -> list[PoolEventRow]:
    """Return every event of the pool, oldest first."""
    statement = (
        with_log(select(pool_events_table, *marks()), pool_events_table)
        .where(pool_events_table.c.pool_id == pool_id)
        .order_by(pool_events_table.c.block_number, pool_events_table.c.log_index)
    )
    return [
        PoolEventRow(
            kind=row["kind"],
            fields=fields_of(row, CHANNEL_EVENTS),
            balance_units=row["balance_units"],
            claimed_units=row["drawn_units"],
            withdraw_units=row["withdraw_units"],
            finalize_at=row["finalize_at"],
            nonce=row["nonce"],
            origin=origin_of(row),
        )
        for row in s.execute(statement).mappings()
    ]


_CONFIG = (
    "payer", "payer_authorizer", "receiver", "receiver_authorizer", "token", "withdraw_delay", "salt", "pool_id",
)  # fmt: skip


def channel(s: Session, channel_id: bytes, min_finality: Finality) -> ChannelRow | None:
    """Return the channel as of the newest block of this finality, or None if it had no deposit or claim by then."""
    statement = (
        select(channel_event, *(channels.c[name] for name in _CONFIG), *marks())
        .join(channels, channels.c.channel_id == channel_event.c.channel_id)
        .where(channel_event.c.channel_id == channel_id, channel_event.c.block_number <= bound(min_finality))
        .order_by(channel_event.c.block_number.desc(), channel_event.c.log_index.desc())
        .limit(1)
    )
    row = s.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    running = ("balance_units", "total_claimed_units", "withdraw_units", "withdraw_finalize_at")
    return ChannelRow(
        channel_id=channel_id, origin=origin_of(row), **{name: row[name] for name in (*_CONFIG, *running)}
    )


def receiver(s: Session, receiver: bytes, min_finality: Finality = Finality.SEEN) -> ReceiverRow:
    """Return what was claimed for the receiver and paid to it as of the newest block of this finality."""
    statement = (
        select(receiver_event)
        .where(receiver_event.c.receiver == receiver, receiver_event.c.block_number <= bound(min_finality))
        .order_by(receiver_event.c.block_number.desc(), receiver_event.c.log_index.desc())
        .limit(1)
    )
    row = s.execute(statement).mappings().one_or_none()
    if row is None:
        return ReceiverRow(receiver=receiver, claimed_units=0, settled_units=0)
    return ReceiverRow(receiver=receiver, claimed_units=row["claimed_units"], settled_units=row["settled_units"])
