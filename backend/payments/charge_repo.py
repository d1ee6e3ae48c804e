"""Statements over charges and refunds of gateway channels."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Insert, Select, Update, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from aicp.abi.typed_data import ChannelConfig
from aicp.rules.primitives import Finality
from backend.payments.charge_models import ChannelRefund, Charge
from backend.payments.models import Channel, Pool
from backend.payments.repo import spent_on
from backend.txm.models import Intent
from backend.txm.states import IntentState
from indexer.projections.payment_channel import channel_event
from indexer.views.sync import bound


def new_channel(channel_id: bytes, pool_id: bytes, config: ChannelConfig) -> Insert:
    """Insert a gateway channel unless it is there."""
    return (
        pg_insert(Channel)
        .values(channel_id=channel_id, pool_id=pool_id, receiver=config.receiver, kind="gateway", salt=config.salt,
                withdraw_delay=config.withdraw_delay, ceiling_units=0, in_flight_units=0, earned_units=0)
        .on_conflict_do_nothing(index_elements=["channel_id"])
    )  # fmt: skip


def by_id(charge_id: uuid.UUID) -> Select[Charge]:
    """One charge, read anew."""
    return select(Charge).where(Charge.id == charge_id).execution_options(populate_existing=True)


def of_ceiling(channel_id: bytes, ceiling_units: int) -> Select[Charge]:
    """The charge a ceiling pays or has paid."""
    return select(Charge).where(
        Charge.channel_id == channel_id, Charge.ceiling_units == ceiling_units, Charge.state != "void"
    )


def in_flight(channel_id: bytes) -> Select[Charge]:
    """The charge of a channel whose request is not answered yet."""
    return (
        select(Charge)
        .where(Charge.channel_id == channel_id, Charge.state == "reserved")
        .execution_options(populate_existing=True)
    )


def reserve_on_own(pool_id: bytes, price_units: int, *, today: int, cap_units: int) -> Update:
    """Reserve a price that the channel's own balance covers, within the key's daily cap; the pool need not cover it."""
    spent = spent_on(today) + price_units
    return (
        update(Pool)
        .where(Pool.pool_id == pool_id, spent <= cap_units)
        .values(reserved_units=Pool.reserved_units + price_units, spent_day=today, spent_units=spent)
        .execution_options(synchronize_session=False)
    )


def signed_refunds(channel_id: bytes) -> Select[Any]:
    """What signed refunds may still take out of a channel's balance, in base units."""
    return select(func.coalesce(func.sum(ChannelRefund.units), 0)).where(
        ChannelRefund.channel_id == channel_id, ChannelRefund.final.is_(False)
    )


def refund(channel_id: bytes, nonce: int) -> Select[ChannelRefund]:
    """The refund signed for a nonce."""
    return select(ChannelRefund).where(ChannelRefund.channel_id == channel_id, ChannelRefund.nonce == nonce)


def ended_refunds(limit: int) -> Select[ChannelRefund]:
    """Refunds nobody can have mined any more: ours is final, or final refunds of the channel are past their nonce.

    Every refund that pays uses one nonce up, so the nonce of a channel is at least the number of its refunds.
    """
    final = bound(Finality.FINAL)
    ours = exists().where(
        Intent.id == ChannelRefund.intent_id, Intent.state == IntentState.FINAL.value, Intent.error_code.is_(None),
        Intent.block_number <= final,
    )  # fmt: skip
    paid = (
        select(func.count())
        .where(
            channel_event.c.channel_id == ChannelRefund.channel_id, channel_event.c.kind == "refunded",
            channel_event.c.block_number <= final,
        )
        .correlate(ChannelRefund)
        .scalar_subquery()
    )  # fmt: skip
    return (
        select(ChannelRefund)
        .where(ChannelRefund.final.is_(False), or_(ours, paid > ChannelRefund.nonce))
        .order_by(ChannelRefund.created_at)
        .limit(limit)
    )
