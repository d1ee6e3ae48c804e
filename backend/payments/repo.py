"""Statements over pools, channels, vouchers, orders and receipts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    LargeBinary,
    Select,
    Update,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.dml import ReturningInsert

from backend.agents.models import Agent
from backend.payments.models import Channel, LedgerEntry, MicroOrder, Pool, Posting, Receipt, Voucher
from indexer.projections.payment_channel import channel as mirrored_channels
from indexer.views import pool_headroom_expr


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFilter:
    """What a list of receipts is narrowed to; None means any."""

    channel_id: bytes | None = None
    deal_id: uuid.UUID | None = None
    unacknowledged: bool = False


def new_pool(pool_id: bytes, payer: bytes, payer_authorizer: bytes, operator: bytes) -> Insert:
    """Insert our side of a pool unless it is there."""
    return (
        pg_insert(Pool)
        .values(pool_id=pool_id, payer=payer, payer_authorizer=payer_authorizer, operator=operator,
                reserved_units=0, earned_units=0)
        .on_conflict_do_nothing(index_elements=["pool_id"])
    )  # fmt: skip


def pool(pool_id: bytes) -> Select[Pool]:
    """Our side of a pool, read anew."""
    return select(Pool).where(Pool.pool_id == pool_id).execution_options(populate_existing=True)


def pool_locked(pool_id: bytes) -> Select[Pool]:
    """Our side of a pool with its row locked."""
    return pool(pool_id).with_for_update()


def headroom(pool_id: bytes) -> Select[Any]:
    """What receipts and reserves of all time may add up to in the pool."""
    return select(pool_headroom_expr(literal(pool_id)))


def reserve(pool_id: bytes, price_units: int, *, today: int, cap_units: int) -> Update:
    """Reserve a price if the chain's headroom and the key's daily cap cover it with everything promised before.

    `today` is a UTC day counted from 1970-01-01. One statement: the database decides, whichever process took the
    request.
    """
    room = pool_headroom_expr(Pool.__table__.c.pool_id) + Pool.own_paid_units
    promised: ColumnElement[Any] = Pool.reserved_units + Pool.earned_units + price_units
    spent = spent_on(today) + price_units
    return (
        update(Pool)
        .where(Pool.pool_id == pool_id, room >= promised, spent <= cap_units)
        .values(reserved_units=Pool.reserved_units + price_units, spent_day=today, spent_units=spent)
        .execution_options(synchronize_session=False)
    )


def spent_on(day: int) -> ColumnElement[Any]:
    """What a pool's key has ordered and paid on a UTC day."""
    return case((Pool.spent_day == day, Pool.spent_units), else_=0)


def unspend(pool_id: bytes, units: int, *, day: int) -> Update:
    """Take what comes back off the day it was ordered on; another day's figure stays."""
    return (
        update(Pool)
        .where(Pool.pool_id == pool_id, Pool.spent_day == day)
        .values(spent_units=func.greatest(Pool.spent_units - units, 0))
        .execution_options(synchronize_session=False)
    )


def new_channel(channel_id: bytes, pool_id: bytes, receiver: bytes) -> Insert:
    """Insert a channel unless it is there."""
    return (
        pg_insert(Channel)
        .values(channel_id=channel_id, pool_id=pool_id, receiver=receiver, ceiling_units=0, in_flight_units=0,
                earned_units=0)
        .on_conflict_do_nothing(index_elements=["channel_id"])
    )  # fmt: skip


def channel(channel_id: bytes) -> Select[Channel]:
    """A channel, read anew."""
    return select(Channel).where(Channel.channel_id == channel_id).execution_options(populate_existing=True)


def channel_locked(channel_id: bytes) -> Select[Channel]:
    """A channel with its row locked."""
    return channel(channel_id).with_for_update()


def channels_of(pool_id: bytes, limit: int) -> Select[Channel, str | None, int]:
    """The newest channels of a pool with the names of their agents and what the newest block says is claimed."""
    return (
        select(Channel, Agent.name, func.coalesce(mirrored_channels.c.total_claimed_units, 0))
        .outerjoin(Agent, Agent.address == Channel.receiver)
        .outerjoin(mirrored_channels, mirrored_channels.c.channel_id == Channel.channel_id)
        .where(Channel.pool_id == pool_id)
        .order_by(Channel.created_at.desc(), Channel.channel_id)
        .limit(limit)
    )


def new_voucher(channel_id: bytes, ceiling_units: int, signature: bytes) -> Insert:
    """Keep an accepted ceiling."""
    return (
        pg_insert(Voucher)
        .values(channel_id=channel_id, ceiling_units=ceiling_units, signature=signature)
        .on_conflict_do_nothing(index_elements=["channel_id", "ceiling_units"])
    )


def order_of_deal(deal_id: uuid.UUID) -> Select[MicroOrder]:
    """The order that pays a deal, read anew."""
    return select(MicroOrder).where(MicroOrder.deal_id == deal_id).execution_options(populate_existing=True)


def orders_due(now: int, margin: int, after: tuple[int, bytes] | None, limit: int) -> Select[MicroOrder]:
    """Orders whose clock has run out: undelivered past `deliver_by`, unjudged past `evaluate_by`."""
    late = now - margin
    statement = (
        select(MicroOrder)
        .where(
            or_(
                (MicroOrder.state == "reserved") & (MicroOrder.deliver_by <= late),
                (MicroOrder.state == "delivered") & (MicroOrder.evaluate_by <= late),
            )
        )
        .order_by(MicroOrder.evaluate_by, MicroOrder.order_hash)
        .limit(limit)
    )
    if after is not None:
        place = tuple_(literal(after[0], BigInteger), literal(after[1], LargeBinary))
        statement = statement.where(tuple_(MicroOrder.evaluate_by, MicroOrder.order_hash) > place)
    return statement


def new_entry(kind: str, reference: str | None) -> ReturningInsert[int]:
    """Write the head of a ledger entry and return its id."""
    return insert(LedgerEntry).values(kind=kind, reference=reference).returning(LedgerEntry.id)


def new_postings(rows: list[dict[str, Any]]) -> Insert:
    """Write postings, in one statement: the columns of `Posting`."""
    return insert(Posting).values(rows)


def receipt(receipt_id: uuid.UUID) -> Select[Receipt]:
    """One receipt."""
    return select(Receipt).where(Receipt.id == receipt_id)


def acknowledge(receipt_ids: list[uuid.UUID], agent: bytes, at: datetime) -> Update:
    """Note receipts of an agent as stored, at once; those noted before keep their time."""
    mine = select(Channel.channel_id).where(Channel.receiver == agent)
    return (
        update(Receipt)
        .where(Receipt.id.in_(receipt_ids), Receipt.channel_id.in_(mine))
        .values(acknowledged_at=func.coalesce(Receipt.acknowledged_at, at))
        .execution_options(synchronize_session=False)
    )


def total_before(channel_id: bytes, total_units: int) -> Select[Any]:
    """The total of the receipt before one, 0 for the first."""
    earlier = func.coalesce(func.max(Receipt.total_claimed_units), 0)
    return select(earlier).where(Receipt.channel_id == channel_id, Receipt.total_claimed_units < total_units)


def receipts(
    party: bytes, chosen: ReceiptFilter, after: tuple[Any, uuid.UUID] | None, limit: int
) -> Select[Receipt, MicroOrder | None, Channel, Pool]:
    """Receipts of a party's channels with what they belong to, oldest first."""
    statement = (
        select(Receipt, MicroOrder, Channel, Pool)
        .outerjoin(MicroOrder, MicroOrder.order_hash == Receipt.order_hash)
        .join(Channel, Channel.channel_id == Receipt.channel_id)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .where(or_(Channel.receiver == party, Pool.payer == party))
        .order_by(Receipt.created_at, Receipt.id)
        .limit(limit)
    )
    if chosen.channel_id is not None:
        statement = statement.where(Receipt.channel_id == chosen.channel_id)
    if chosen.deal_id is not None:
        statement = statement.where(MicroOrder.deal_id == chosen.deal_id)
    if chosen.unacknowledged:
        statement = statement.where(Receipt.acknowledged_at.is_(None))
    if after is not None:
        there = tuple_(literal(after[0], Receipt.created_at.type), literal(after[1], Receipt.id.type))
        statement = statement.where(tuple_(Receipt.created_at, Receipt.id) > there)
    return statement
