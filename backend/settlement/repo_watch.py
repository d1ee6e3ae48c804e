"""Statements over receipts in danger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select

from backend.payments.models import Channel, Pool
from backend.settlement.models import ClaimTry
from indexer import views
from indexer.projections.payment_channel import channel as mirrored
from indexer.projections.payment_channel import pool as mirrored_pools


def threatened(operators: Sequence[bytes]) -> Select[bytes, Any, int, Any, int | None]:
    """Pools a withdrawal is pending from, with what final claims have not covered, in how many channels, and when.

    What is claimed in a block that is not final yet still counts as unclaimed.
    """
    left = Channel.earned_units - Channel.claimed_units
    return (
        select(
            Pool.pool_id, func.sum(left), func.count(), func.max(mirrored_pools.c.withdraw_units),
            func.max(mirrored_pools.c.finalize_at),
        )
        .join(Channel, Channel.pool_id == Pool.pool_id)
        .join(mirrored_pools, mirrored_pools.c.pool_id == Pool.pool_id)
        .where(Pool.operator.in_(operators), Pool.pool_id.in_(views.threatened_pools()), left > 0)
        .group_by(Pool.pool_id)
    )  # fmt: skip


def leaving(operators: Sequence[bytes]) -> Select[bytes, Any, Any, int]:
    """Channels whose own balance is being withdrawn: what final claims have not covered, what leaves, since when.

    What they cannot pay any more would be drawn from a pool that has promised it to others.
    """
    left = Channel.earned_units - Channel.claimed_units
    return (
        select(Channel.channel_id, left, mirrored.c.withdraw_units, mirrored.c.withdraw_finalize_at)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .join(mirrored, mirrored.c.channel_id == Channel.channel_id)
        .where(Pool.operator.in_(operators), mirrored.c.withdraw_units > 0, left > 0)
    )


def failing(operators: Sequence[bytes], tries: int) -> Select[bytes, int, Any]:
    """Channels of which so many claims in a row have claimed nothing, and what is unclaimed."""
    claimed = func.coalesce(mirrored.c.total_claimed_units, 0)
    return (
        select(ClaimTry.channel_id, ClaimTry.tries, Channel.earned_units - claimed)
        .join(Channel, Channel.channel_id == ClaimTry.channel_id)
        .join(Pool, Pool.pool_id == Channel.pool_id)
        .outerjoin(mirrored, mirrored.c.channel_id == Channel.channel_id)
        .where(
            Pool.operator.in_(operators),
            ClaimTry.tries >= tries,
            ClaimTry.claimed_units == claimed,
            Channel.earned_units > claimed,
        )
    )
