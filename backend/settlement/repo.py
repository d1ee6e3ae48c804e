"""Statements over what is earned and not yet claimed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Insert, Select, and_, case, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.elements import TextClause

from aicp.rules.primitives import Finality
from backend.payments.models import Channel, ClaimRow, Pool, Receipt
from backend.settlement.models import Payout
from backend.txm.models import Intent
from backend.txm.states import IntentState
from indexer.projections.payment_channel import channel as mirrored
from indexer.projections.payment_channel import receiver as receivers
from indexer.views.sync import bound

SETTLING_LOCK = 7_104_220_532
FIRST_PAUSE_SECONDS = 60
MAX_PAUSE_SECONDS = 7 * 86_400
UNDERWAY = (IntentState.QUEUED.value, IntentState.SENT.value, IntentState.MINED.value)


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
    return (
        select(ClaimRow.channel_id, func.max(ClaimRow.total_claimed_units))
        .join(Intent, Intent.id == ClaimRow.intent_id)
        .where(ClaimRow.channel_id.in_(channel_ids), Intent.state.in_(UNDERWAY))
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


def _still_underway() -> ColumnElement[bool]:
    """Whether the newest try may yet pay: not ended, or ended in a block the mirror has not taken."""
    open_or_unseen = or_(Intent.state.in_(UNDERWAY), Intent.block_number > bound(Finality.SEEN))
    return exists().where(Intent.id == Payout.intent_id, open_or_unseen)


def _nothing_paid_since() -> ColumnElement[bool]:
    return Payout.settled_units == func.coalesce(receivers.c.settled_units, 0)


def unpaid(operator: bytes, now: dt.datetime, limit: int, among: Sequence[bytes] | None = None) -> Select[bytes, int]:
    """Receivers of our channels with less paid than claimed, and what was paid: those it is time to pay (again).

    Left out: where a try is under way, and where one has just failed. Longest waiting first.
    """
    ours = exists().where(
        Channel.receiver == receivers.c.receiver, Channel.pool_id == Pool.pool_id, Pool.operator == operator
    )
    statement = (
        select(receivers.c.receiver, receivers.c.settled_units)
        .outerjoin(Payout, Payout.receiver == receivers.c.receiver)
        .where(
            receivers.c.claimed_units > receivers.c.settled_units,
            ours,
            or_(
                Payout.receiver.is_(None),
                and_(~_still_underway(), or_(~_nothing_paid_since(), Payout.not_before <= now)),
            ),
        )
        .order_by(Payout.not_before.nulls_first(), receivers.c.receiver)
        .limit(limit)
    )
    return statement if among is None else statement.where(receivers.c.receiver.in_(among))


def resting(receivers_asked: Sequence[bytes], now: dt.datetime) -> Select[bytes]:
    """Those among the receivers whom the newest try has not paid, and who are left alone for now."""
    return (
        select(Payout.receiver)
        .outerjoin(receivers, receivers.c.receiver == Payout.receiver)
        .where(
            Payout.receiver.in_(receivers_asked),
            Payout.tries > 1,
            Payout.not_before > now,
            _nothing_paid_since(),
            ~_still_underway(),
        )
    )


def settled_units(receivers_asked: Sequence[bytes]) -> Select[bytes, int]:
    """What the chain has paid receivers; those it knows nothing of are missing."""
    return select(receivers.c.receiver, receivers.c.settled_units).where(receivers.c.receiver.in_(receivers_asked))


def tried(receiver: bytes, settled: int, now: dt.datetime, intent_id: uuid.UUID | None) -> Insert:
    """Write down a try to pay; the pause after it doubles with every try that pays nothing."""
    first = dt.timedelta(seconds=FIRST_PAUSE_SECONDS)
    statement = pg_insert(Payout).values(
        receiver=receiver, settled_units=settled, tries=1, not_before=now + first, intent_id=intent_id, updated_at=now
    )
    again = Payout.settled_units == statement.excluded.settled_units
    pause = func.least(FIRST_PAUSE_SECONDS * func.power(2, func.least(Payout.tries, 20)), MAX_PAUSE_SECONDS)
    return statement.on_conflict_do_update(
        index_elements=["receiver"],
        set_={
            "settled_units": statement.excluded.settled_units,
            "tries": case((again, Payout.tries + 1), else_=1),
            "not_before": case(
                (again, statement.excluded.updated_at + func.make_interval(0, 0, 0, 0, 0, 0, pause)),
                else_=statement.excluded.not_before,
            ),
            "intent_id": statement.excluded.intent_id,
            "updated_at": statement.excluded.updated_at,
        },
    )
