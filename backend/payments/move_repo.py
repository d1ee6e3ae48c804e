"""Statements over pools on their way to another operator."""

from __future__ import annotations

from sqlalchemy import Select, select

from aicp.rules.primitives import Finality
from backend.payments.move_models import PoolMove
from indexer.projections.payment_channel import pool_event
from indexer.views.sync import bound

_ENDS = ("withdraw_finalized", "withdraw_cancelled")


def one_locked(pool_id: bytes, nonce: int) -> Select[PoolMove]:
    """The move of a withdrawal with its row locked."""
    found = select(PoolMove).where(PoolMove.pool_id == pool_id, PoolMove.nonce == nonce)
    return found.with_for_update().execution_options(populate_existing=True)


def newest(pool_id: bytes, payer: bytes) -> Select[PoolMove]:
    """The moves of a payer's pool, the newest first."""
    return (
        select(PoolMove)
        .where(PoolMove.pool_id == pool_id, PoolMove.payer == payer)
        .order_by(PoolMove.created_at.desc(), PoolMove.nonce.desc())
    )


def open_pools() -> Select[bytes]:
    """Pools whose move has neither a deposit nor an end, the oldest first."""
    return (
        select(PoolMove.pool_id)
        .where(PoolMove.deposit_id.is_(None), PoolMove.ended_reason.is_(None))
        .order_by(PoolMove.created_at)
    )


def open_locked(pool_id: bytes) -> Select[PoolMove]:
    """The open moves of a pool with their rows locked; those another worker holds are left to it."""
    return (
        select(PoolMove)
        .where(PoolMove.pool_id == pool_id, PoolMove.deposit_id.is_(None), PoolMove.ended_reason.is_(None))
        .with_for_update(skip_locked=True)
    )


def ends(pool_id: bytes, nonce: int, finality: Finality) -> Select[str]:
    """How the withdrawal that ended with this nonce has ended, as of the newest block of this finality."""
    return select(pool_event.c.kind).where(
        pool_event.c.pool_id == pool_id,
        pool_event.c.nonce == nonce,
        pool_event.c.kind.in_(_ENDS),
        pool_event.c.block_number <= bound(finality),
    )
