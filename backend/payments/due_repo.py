"""Statements over what channels have earned beyond their last receipt, and over how far the ledger is read for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Delete, Insert, Select, TextClause, Update, delete, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.payments.models import Channel, Pool, ReceiptMark, UnsignedChannel

_UNSIGNED: Final = Channel.earned_units > Channel.receipted_units


def of_receiver(receiver: bytes, limit: int) -> Select[bytes]:
    """Channels of a receiver that have earned more than is signed for."""
    return select(Channel.channel_id).where(Channel.receiver == receiver, _UNSIGNED).limit(limit)


def unsigned_locked(channels: Collection[bytes], *, wait: bool) -> Select[Channel, Pool]:
    """Those of some channels that have earned more than is signed for, locked, with their pools.

    Rows that others hold are left out unless `wait` is set.
    """
    return (
        select(Channel, Pool)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .where(Channel.channel_id.in_(list(channels)), _UNSIGNED)
        .with_for_update(of=Channel, skip_locked=not wait)
        .execution_options(populate_existing=True)
    )


def unsigned(channels: Collection[bytes]) -> Select[bytes]:
    """Those of some channels that have earned more than is signed for."""
    return select(Channel.channel_id).where(Channel.channel_id.in_(list(channels)), _UNSIGNED)


def next_entries() -> TextClause:
    """The channels that earned in the next `most` ledger entries after the mark, and the transaction these end with.

    Nothing from the oldest transaction that still runs on is read: an earlier number could still appear.
    """
    return text(
        """
        WITH entries AS (
            SELECT id, txid FROM app.ledger_entry
            WHERE txid > (SELECT coalesce(max(txid), 0) FROM app.receipt_mark)
                AND txid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            ORDER BY txid FETCH FIRST :most ROWS WITH TIES
        )
        SELECT array_agg(DISTINCT p.owner) FILTER (WHERE p.account = 'owed' AND p.delta_units > 0) AS channels,
            max(e.txid) AS until
        FROM entries e JOIN app.posting p ON p.entry_id = e.id
        """
    )


def move_mark(txid: int) -> Update:
    """Set the mark to a transaction, never back."""
    return update(ReceiptMark).where(ReceiptMark.txid < txid).values(txid=txid)


def put_aside(channels: Sequence[bytes], operators: Collection[bytes]) -> Insert:
    """Put those of some channels aside that wait for a receipt of another operator than these."""
    foreign = (
        select(Channel.channel_id, Pool.operator)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .where(Channel.channel_id.in_(channels), _UNSIGNED, Pool.operator.not_in(operators))
    )
    aside = pg_insert(UnsignedChannel).from_select([UnsignedChannel.channel_id, UnsignedChannel.operator], foreign)
    return aside.on_conflict_do_nothing()


def aside(operators: Collection[bytes], after: bytes, limit: int) -> Select[bytes]:
    """A page of the channels put aside that wait for one of these operators, those after a channel's id."""
    found = select(UnsignedChannel.channel_id).where(
        UnsignedChannel.operator.in_(operators), UnsignedChannel.channel_id > after
    )
    return found.order_by(UnsignedChannel.channel_id).limit(limit)


def drop_signed(channels: Sequence[bytes]) -> Delete:
    """Forget those of some channels put aside that have a receipt for all they earned."""
    signed = exists().where(Channel.channel_id == UnsignedChannel.channel_id, ~_UNSIGNED)
    return delete(UnsignedChannel).where(UnsignedChannel.channel_id.in_(channels), signed)
