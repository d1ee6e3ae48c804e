"""Statements that set the ledger beside the mirror's final blocks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Update, func, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import InstrumentedAttribute

from backend.payments.ledger import Account
from backend.payments.models import Channel, Pool, Posting
from backend.reconciliation.models import LedgerMark
from indexer.projections.payment_channel import channel_event, pool_event
from indexer.projections.payment_channel import pool as mirrored_pools
from indexer.store.tables import cursor


def operators() -> Select[bytes]:
    """Operators our pools name, whether their keys are still here or not."""
    return select(Pool.operator).distinct()


def new_mark(operator: bytes) -> Insert:
    """Begin to follow an operator's pools, from the first block on."""
    return pg_insert(LedgerMark).values(operator=operator, block_number=0).on_conflict_do_nothing()


def mark(operator: bytes) -> Select[int]:
    """How far an operator's ledger is, as a reader sees it; nothing where it was never begun."""
    return select(LedgerMark.block_number).where(LedgerMark.operator == operator)


def mark_locked(operator: bytes) -> Select[LedgerMark]:
    """How far an operator's ledger is; one follower at a time, the others pass on."""
    return (
        select(LedgerMark)
        .where(LedgerMark.operator == operator)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def finalized_number() -> Select[int]:
    """The mirror's newest final block."""
    return select(cursor.c.finalized_number)


def nth_event_block(after: int, upto: int, nth: int) -> Select[int]:
    """The block of the nth event of pools and channels in (after, upto]; nothing where there are fewer."""
    found = union_all(
        select(pool_event.c.block_number).where(_within(pool_event.c.block_number, after, upto)),
        select(channel_event.c.block_number).where(_within(channel_event.c.block_number, after, upto)),
    ).subquery()
    return select(found.c.block_number).order_by(found.c.block_number).offset(nth - 1).limit(1)


def _within(column: ColumnElement[int], after: int, upto: int) -> ColumnElement[bool]:
    return (column > after) & (column <= upto)


def pool_moves(operator: bytes, after: int, upto: int) -> Select[bytes, str, int, int, int]:
    """Deposits and finished withdrawals of an operator's pools: pool, kind, amount, block and log index, in order."""
    event = pool_event.c
    return (
        select(event.pool_id, event.kind, event.event_amount_units, event.block_number, event.log_index)
        .join(mirrored_pools, mirrored_pools.c.pool_id == event.pool_id)
        .where(
            mirrored_pools.c.operator == operator,
            event.kind.in_(("deposited", "withdraw_finalized")),
            _within(event.block_number, after, upto),
        )
        .order_by(event.block_number, event.log_index)
    )


def _newest_final(upto: int | InstrumentedAttribute[int]) -> Any:
    """What the chain has claimed of a channel, and drawn from its pool, as of a block; correlated to `Channel`."""
    event = channel_event.c
    return (
        select(event.total_claimed_units, event.drawn_units, event.block_number, event.log_index)
        .where(event.channel_id == Channel.channel_id, event.block_number <= upto)
        .order_by(event.block_number.desc(), event.log_index.desc())
        .limit(1)
        .lateral("newest")
    )


def claimed_channels(operator: bytes, after: int, upto: int) -> Select[bytes]:
    """Ours among the channels with an event in (after, upto], in the order locks are taken."""
    event = channel_event.c
    touched = select(event.channel_id).where(_within(event.block_number, after, upto)).distinct().subquery()
    return (
        select(Channel.channel_id)
        .join(touched, touched.c.channel_id == Channel.channel_id)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .where(Pool.operator == operator)
        .order_by(Channel.pool_id, Channel.channel_id)
    )


def late_channels(operator: bytes, upto: int) -> Select[bytes]:
    """Channels that have earned, since their last claim, what that claim had taken in advance."""
    newest = _newest_final(upto)
    return (
        select(Channel.channel_id)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .join(newest, literal(True))  # a lateral join has no condition
        .where(
            Pool.operator == operator,
            Channel.earned_units > Channel.claimed_units,
            newest.c.total_claimed_units > Channel.claimed_units,
        )
        .order_by(Channel.pool_id, Channel.channel_id)
    )


def pool_of_locked(channel_id: bytes) -> Select[Pool]:
    """The pool of a channel with its row locked."""
    return (
        select(Pool)
        .join(Channel, Channel.pool_id == Pool.pool_id)
        .where(Channel.channel_id == channel_id)
        .with_for_update(of=Pool)
        .execution_options(populate_existing=True)
    )


def claimed_upto(channel_id: bytes, upto: int) -> Select[int, int, int, int]:
    """Claimed and drawn of one channel as of a block, with the place of the event that says so."""
    newest = _newest_final(upto)
    return (
        select(
            newest.c.total_claimed_units, newest.c.drawn_units, newest.c.block_number, newest.c.log_index
        )
        .select_from(Channel)
        .join(newest, literal(True))  # a lateral join has no condition
        .where(Channel.channel_id == channel_id)
    )  # fmt: skip


def move_mark(operator: bytes, before: int, upto: int) -> Update:
    """Move an operator's mark on, if it is still where it was read."""
    return (
        update(LedgerMark)
        .where(LedgerMark.operator == operator, LedgerMark.block_number == before)
        .values(block_number=upto, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )


def _held(account: Account) -> Subquery:
    return (
        select(Posting.owner, func.sum(Posting.delta_units).label("units"))
        .where(Posting.account == account.value)
        .group_by(Posting.owner)
        .subquery(f"held_{account.value}")
    )


def pools_beside_chain() -> Select[bytes, int, int, int, int, int]:
    """Every pool: id, what the ledger says it holds, its balance in the contract, reserved by ledger and by row, mark.

    All as of the operator's mark.
    """
    event = pool_event.c
    available, reserved = _held(Account.AVAILABLE), _held(Account.RESERVED)
    owed = (
        select(Channel.pool_id, func.sum(Posting.delta_units).label("units"))
        .join(Posting, Posting.owner == Channel.channel_id)
        .where(Posting.account == Account.OWED.value)
        .group_by(Channel.pool_id)
        .subquery("owed_of_pool")
    )
    balance = (
        select(event.balance_units)
        .where(event.pool_id == Pool.pool_id, event.block_number <= LedgerMark.block_number)
        .order_by(event.block_number.desc(), event.log_index.desc())
        .limit(1)
        .correlate(Pool, LedgerMark)
        .scalar_subquery()
    )
    promised = func.coalesce(reserved.c.units, 0)
    return (
        select(
            Pool.pool_id,
            func.coalesce(available.c.units, 0) + promised + func.coalesce(owed.c.units, 0),
            func.coalesce(balance, 0),
            promised,
            Pool.reserved_units,
            LedgerMark.block_number,
        )
        .join(LedgerMark, LedgerMark.operator == Pool.operator)
        .outerjoin(available, available.c.owner == Pool.pool_id)
        .outerjoin(reserved, reserved.c.owner == Pool.pool_id)
        .outerjoin(owed, owed.c.pool_id == Pool.pool_id)
        .order_by(Pool.pool_id)
    )


def channels_beside_chain() -> Select[bytes, int, int, int, int, int]:
    """Every channel: id, owed and claimed by the ledger, earned and claimed by row, claimed on chain as of the mark."""
    owed, claimed = _held(Account.OWED), _held(Account.CLAIMED)
    newest = _newest_final(LedgerMark.block_number)
    return (
        select(
            Channel.channel_id,
            func.coalesce(owed.c.units, 0),
            func.coalesce(claimed.c.units, 0),
            Channel.earned_units,
            Channel.claimed_units,
            func.coalesce(newest.c.total_claimed_units, 0),
        )
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .join(LedgerMark, LedgerMark.operator == Pool.operator)
        .outerjoin(newest, literal(True))  # a lateral join has no condition
        .outerjoin(owed, owed.c.owner == Channel.channel_id)
        .outerjoin(claimed, claimed.c.owner == Channel.channel_id)
        .order_by(Channel.channel_id)
    )
