"""Statements over what is earned and not yet claimed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Insert, Select, and_, case, exists, false, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.elements import TextClause

from aicp.rules.primitives import Finality
from backend.domain.settlement import DUST_ROW_GAS, MAX_ROWS, Worth
from backend.payments.models import Channel, Pool, Receipt
from backend.settlement.models import ClaimTry, ClaimWish, Payout
from backend.txm.models import Intent
from backend.txm.states import IntentState
from backend.wallet.budget import DUST
from backend.wallet.repo import gas_on
from indexer import views
from indexer.projections.payment_channel import channel as mirrored
from indexer.projections.payment_channel import receiver as receivers
from indexer.views.sync import bound

SETTLING_LOCK = 7_104_220_532
FIRST_PAUSE_SECONDS = 60
MAX_PAUSE_SECONDS = 7 * 86_400
THREATENED_PAUSE_SECONDS = 600
"""A withdrawal waits a day and more: what it threatens is tried many times before it ends."""
UNDERWAY = (IntentState.QUEUED.value, IntentState.SENT.value, IntentState.MINED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whose receipts are claimed, and from which value and age on."""

    operators: tuple[bytes, ...]
    now: dt.datetime
    old_since: dt.datetime
    worth: Worth
    owner_gas_per_day: int
    dust_gas_per_day: int
    """What claims of dust may take in a day: of one pool owner, and of all."""


def try_lock() -> TextClause:
    """Return whether this transaction is the only one that builds a claim batch."""
    return text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=SETTLING_LOCK)


def any_unclaimed(operators: Sequence[bytes]) -> Select[bool]:
    """Whether a channel of these operators has earned more than the chain has claimed."""
    claimed = (
        select(mirrored.c.total_claimed_units).where(mirrored.c.channel_id == Channel.channel_id).scalar_subquery()
    )
    ours = exists().where(
        Channel.pool_id == Pool.pool_id, Pool.operator.in_(operators), Channel.earned_units > func.coalesce(claimed, 0)
    )
    return select(ours)


def claimable(
    policy: Policy, among: Sequence[bytes] | None = None
) -> Select[Channel, Pool, Receipt, int, Any, bool, int]:
    """Channels to claim now, at most one batch: those a withdrawal threatens first, then by value, dust behind all.

    Each with its newest receipt, what the chain has claimed, since when the oldest receipt waits, whether it is
    threatened and how often a claim has failed. Left out: where a claim is under way, ended ones in blocks the mirror
    has not taken included, and where one has just failed. The database applies the policy, so that no number of rows
    that are not due can hide one that is.
    """
    claimed = func.coalesce(mirrored.c.total_claimed_units, 0)
    left = Channel.receipted_units - claimed
    threatened = _threatened()
    dust = and_(threatened, left < policy.worth.threatened_units)
    oldest = (
        select(func.min(Receipt.created_at))
        .where(Receipt.channel_id == Channel.channel_id, Receipt.total_claimed_units > claimed)
        .correlate(Channel, mirrored)
        .scalar_subquery()
    )
    worth = policy.worth
    at_once = false() if worth.at_once_units is None else left >= worth.at_once_units
    wished = exists().where(ClaimWish.channel_id == Channel.channel_id, ClaimWish.total_units > claimed)
    endangered = and_(threatened, or_(~dust, _room_for_dust(policy)))
    due = or_(endangered, and_(left >= worth.once_old_units, or_(at_once, wished, oldest <= policy.old_since)))
    failed = ClaimTry.claimed_units == claimed
    hurried = policy.now - dt.timedelta(seconds=THREATENED_PAUSE_SECONDS)
    over = or_(ClaimTry.not_before <= policy.now, and_(threatened, ClaimTry.updated_at <= hurried))
    free = or_(ClaimTry.channel_id.is_(None), and_(~_open_or_unseen(ClaimTry.intent_id), or_(~failed, over)))
    statement = (
        select(Channel, Pool, Receipt, claimed, oldest, threatened, case((failed, ClaimTry.tries), else_=0))
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .join(
            Receipt,
            and_(Receipt.channel_id == Channel.channel_id, Receipt.total_claimed_units == Channel.receipted_units),
        )
        .outerjoin(mirrored, mirrored.c.channel_id == Channel.channel_id)
        .outerjoin(ClaimTry, ClaimTry.channel_id == Channel.channel_id)
        .where(Pool.operator.in_(policy.operators), left > 0, due, free)
        .order_by(dust, threatened.desc(), left.desc(), Channel.channel_id)
        .limit(MAX_ROWS)
    )
    return statement if among is None else statement.where(Channel.channel_id.in_(among))


def _threatened() -> ColumnElement[bool]:
    leaving = func.coalesce(mirrored.c.withdraw_units, 0) > 0
    return or_(Pool.pool_id.in_(views.threatened_pools()), leaving)


def _room_for_dust(policy: Policy) -> ColumnElement[bool]:
    """Whether the pool's owner, and all owners together, may have one more row of dust claimed today."""
    day = policy.now.date()
    return and_(
        gas_on(Pool.payer.expression, day) + DUST_ROW_GAS <= policy.owner_gas_per_day,
        gas_on(literal(DUST), day) + DUST_ROW_GAS <= policy.dust_gas_per_day,
    )


def waiting_dust(policy: Policy) -> Select[bytes, int, Any]:
    """Pools whose withdrawal threatens dust that no day has room for: in how many channels, and how much together."""
    left = Channel.receipted_units - func.coalesce(mirrored.c.total_claimed_units, 0)
    return (
        select(Pool.pool_id, func.count(), func.sum(left))
        .join(Channel, Channel.pool_id == Pool.pool_id)
        .outerjoin(mirrored, mirrored.c.channel_id == Channel.channel_id)
        .outerjoin(ClaimTry, ClaimTry.channel_id == Channel.channel_id)
        .where(
            Pool.operator.in_(policy.operators), _threatened(), left > 0, left < policy.worth.threatened_units,
            ~_room_for_dust(policy),
            or_(ClaimTry.channel_id.is_(None), ~_open_or_unseen(ClaimTry.intent_id)),
        )
        .group_by(Pool.pool_id)
    )  # fmt: skip


def claim_tried(channel_id: bytes, claimed_units: int, now: dt.datetime, intent_id: uuid.UUID | None) -> Insert:
    """Write down a try to claim; the pause after it doubles with every try that claims nothing."""
    first = dt.timedelta(seconds=FIRST_PAUSE_SECONDS)
    statement = pg_insert(ClaimTry).values(
        channel_id=channel_id, claimed_units=claimed_units, tries=1, not_before=now + first, intent_id=intent_id,
        updated_at=now,
    )  # fmt: skip
    again = ClaimTry.claimed_units == statement.excluded.claimed_units
    return statement.on_conflict_do_update(
        index_elements=["channel_id"],
        set_={
            "claimed_units": statement.excluded.claimed_units,
            **_once_more(again, ClaimTry.tries, statement.excluded),
        },
    )


def _once_more(again: ColumnElement[bool], tries: Any, given: Any) -> dict[str, Any]:
    """Return the columns of a try that follows another: the pause doubles where nothing has come of the one before."""
    pause = func.least(FIRST_PAUSE_SECONDS * func.power(2, func.least(tries, 20)), MAX_PAUSE_SECONDS)
    return {
        "tries": case((again, tries + 1), else_=1),
        "not_before": case(
            (again, given.updated_at + func.make_interval(0, 0, 0, 0, 0, 0, pause)), else_=given.not_before
        ),
        "intent_id": given.intent_id,
        "updated_at": given.updated_at,
    }


def wish(channel_id: bytes, total_units: int, now: dt.datetime) -> Insert:
    """Write down that an agent wants a channel claimed up to a total; a later wish takes its place."""
    statement = pg_insert(ClaimWish).values(channel_id=channel_id, total_units=total_units, asked_at=now)
    return statement.on_conflict_do_update(
        index_elements=["channel_id"],
        set_={"total_units": statement.excluded.total_units, "asked_at": statement.excluded.asked_at},
        where=ClaimWish.total_units < statement.excluded.total_units,
    )


def wished_at(channel_id: bytes) -> Select[dt.datetime]:
    """When an agent last asked for a channel to be claimed."""
    return select(ClaimWish.asked_at).where(ClaimWish.channel_id == channel_id)


def waiting_for_their_key() -> Select[Intent]:
    """Queued claims and settlements, which one key has to send."""
    return (
        select(Intent)
        .where(
            Intent.state == IntentState.QUEUED.value, Intent.kind.in_(("claim", "settle")), Intent.account.is_not(None)
        )
        .order_by(Intent.created_at, Intent.id)
    )


def claim_of(batch: str) -> Select[str]:
    """Where the claim stands whose settlement has the same batch; nothing for a settlement without one."""
    return select(Intent.state).where(Intent.idem_key == f"claim:{batch}")


def queued_for_keys(addresses: Sequence[bytes]) -> Select[bytes | None, int]:
    """How many queued intents each of these keys alone has to send."""
    return (
        select(Intent.account, func.count())
        .where(Intent.state == IntentState.QUEUED.value, Intent.account.in_(addresses))
        .group_by(Intent.account)
    )


def _open_or_unseen(intent_id: Any) -> ColumnElement[bool]:
    """Whether a try may yet work: not ended, or ended in a block the mirror has not taken."""
    return exists().where(
        Intent.id == intent_id, or_(Intent.state.in_(UNDERWAY), Intent.block_number > bound(Finality.SEEN))
    )


def _nothing_paid_since() -> ColumnElement[bool]:
    return Payout.settled_units == func.coalesce(receivers.c.settled_units, 0)


def unpaid(
    operators: Sequence[bytes], now: dt.datetime, limit: int, among: Sequence[bytes] | None = None
) -> Select[bytes, int]:
    """Receivers of our channels with less paid than claimed, and what was paid: those it is time to pay (again).

    Left out: where a try is under way, and where one has just failed. Longest waiting first.
    """
    ours = exists().where(
        Channel.receiver == receivers.c.receiver, Channel.pool_id == Pool.pool_id, Pool.operator.in_(operators)
    )
    statement = (
        select(receivers.c.receiver, receivers.c.settled_units)
        .outerjoin(Payout, Payout.receiver == receivers.c.receiver)
        .where(
            receivers.c.claimed_units > receivers.c.settled_units,
            ours,
            or_(
                Payout.receiver.is_(None),
                and_(~_open_or_unseen(Payout.intent_id), or_(~_nothing_paid_since(), Payout.not_before <= now)),
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
            ~_open_or_unseen(Payout.intent_id),
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
    return statement.on_conflict_do_update(
        index_elements=["receiver"],
        set_={
            "settled_units": statement.excluded.settled_units,
            **_once_more(again, Payout.tries, statement.excluded),
        },
    )
