"""Statements over what is earned and not yet claimed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select, text
from sqlalchemy.sql.elements import TextClause

from backend.payments.models import Channel, ClaimRow, Pool, Receipt
from backend.txm.models import Intent
from backend.txm.states import IntentState
from indexer.projections.payment_channel import channel as mirrored

SETTLING_LOCK = 7_104_220_532


def try_lock() -> TextClause:
    """Return whether this transaction is the only one that builds a claim batch."""
    return text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=SETTLING_LOCK)


def unclaimed(operator: bytes, limit: int) -> Select[Channel, Pool, int]:
    """Channels of the operator that have earned more than the chain has claimed, with what it has claimed."""
    claimed = func.coalesce(mirrored.c.total_claimed_units, 0)
    return (
        select(Channel, Pool, claimed)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .outerjoin(mirrored, mirrored.c.channel_id == Channel.channel_id)
        .where(Pool.operator == operator, Channel.earned_units > claimed)
        .order_by((Channel.earned_units - claimed).desc(), Channel.channel_id)
        .limit(limit)
    )


def underway(channel_ids: Sequence[bytes]) -> Select[bytes, int]:
    """Per channel, the highest total in a batch that may still be mined."""
    states = [IntentState.QUEUED.value, IntentState.SENT.value, IntentState.MINED.value]
    return (
        select(ClaimRow.channel_id, func.max(ClaimRow.total_claimed_units))
        .join(Intent, Intent.id == ClaimRow.intent_id)
        .where(ClaimRow.channel_id.in_(channel_ids), Intent.state.in_(states))
        .group_by(ClaimRow.channel_id)
    )


def oldest_unclaimed(channel_id: bytes, claimed_units: int) -> Select[Receipt]:
    """The oldest receipt of a channel the chain has not claimed."""
    return (
        select(Receipt)
        .where(Receipt.channel_id == channel_id, Receipt.total_claimed_units > claimed_units)
        .order_by(Receipt.total_claimed_units)
        .limit(1)
    )


def newest_receipt(channel_id: bytes) -> Select[Receipt]:
    """The receipt with the highest total of a channel."""
    return select(Receipt).where(Receipt.channel_id == channel_id).order_by(Receipt.total_claimed_units.desc()).limit(1)
