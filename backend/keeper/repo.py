"""Statements over pool withdrawals whose time has come, or may come earlier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    LargeBinary,
    Select,
    String,
    cast,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert

from aicp.rules.primitives import Finality
from backend.payments.models import Channel, Pool
from backend.payments.move_models import PoolRelease
from backend.txm.models import Intent
from indexer.projections.payment_channel import channel as mirrored_channels
from indexer.projections.payment_channel import pool as mirrored
from indexer.views import pool_headroom_expr
from indexer.views.sync import bound

NONCES: Final = 2**24
"""The contract counts the nonces of a pool in 24 bits."""
Place = tuple[int, bytes]
"""Where a page ends: the second a wait is over, and the pool."""
_WITHDRAWAL: Final = (
    mirrored.c.pool_id, mirrored.c.payer, mirrored.c.payer_authorizer, mirrored.c.operator, mirrored.c.nonce,
    mirrored.c.finalize_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal of a pool, pending under the nonce of its announcement."""

    pool_id: bytes
    payer: bytes
    payer_authorizer: bytes
    operator: bytes
    nonce: int
    finalize_at: int


def withdrawals_due(now: int, after: Place | None, limit: int) -> Select[bytes, bytes, bytes, bytes, int, int]:
    """The columns of `Withdrawal`, oldest first: withdrawals asked for through us whose wait is over by `now`.

    What is reserved, or earned and not claimed, must be covered by what stays in the pool: our own call never takes
    away what agents are owed.
    """
    owed = func.greatest(Channel.earned_units - func.coalesce(mirrored_channels.c.total_claimed_units, 0), 0)
    unclaimed = (
        select(func.coalesce(func.sum(owed), 0))
        .select_from(Channel)
        .outerjoin(mirrored_channels, mirrored_channels.c.channel_id == Channel.channel_id)
        .where(Channel.pool_id == Pool.pool_id)
        .correlate(Pool)
        .scalar_subquery()
    )
    stays = func.greatest(mirrored.c.balance_units - mirrored.c.withdraw_units, 0)
    statement = (
        select(*_WITHDRAWAL)
        .join(Pool, Pool.pool_id == mirrored.c.pool_id)
        .where(
            mirrored.c.finalize_at <= now,
            mirrored.c.block_number <= bound(Finality.SAFE),
            _asked_through_us(),
            Pool.reserved_units + unclaimed <= stays,
        )
        .order_by(mirrored.c.finalize_at, mirrored.c.pool_id)
        .limit(limit)
    )
    return _after(statement, after)


def releasable(
    operators: Sequence[bytes], latest: int, after: Place | None, limit: int
) -> Select[bytes, bytes, bytes, bytes, int, int]:
    """The columns of `Withdrawal`, oldest first: final withdrawals asked for through us that wait past `latest`.

    Nothing in the pool has changed since the newest final block, and what stays covers all that is promised.
    """
    statement = (
        select(*_WITHDRAWAL)
        .join(Pool, Pool.pool_id == mirrored.c.pool_id)
        .where(
            mirrored.c.withdraw_units > 0,
            mirrored.c.finalize_at > latest,
            mirrored.c.block_number <= bound(Finality.FINAL),
            Pool.operator.in_(operators),
            _asked_through_us(),
            _covered(),
        )
        .order_by(mirrored.c.finalize_at, mirrored.c.pool_id)
        .limit(limit)
    )
    return _after(statement, after)


def covered_locked(pool_id: bytes) -> Select[bytes]:
    """The pool with its row locked, if what a pending withdrawal leaves covers all that is promised."""
    return select(Pool.pool_id).where(Pool.pool_id == pool_id, _covered()).with_for_update()


def seen(pool_id: bytes, nonce: int, now: dt.datetime) -> Insert:
    """Write down when a withdrawal was first found releasable."""
    return (
        pg_insert(PoolRelease).values(pool_id=pool_id, nonce=nonce, seen_at=now).on_conflict_do_nothing()
    )  # fmt: skip


def seen_before(pool_id: bytes, nonce: int, moment: dt.datetime) -> Select[bytes]:
    """The withdrawal, if it was found releasable at this moment or earlier."""
    return select(PoolRelease.pool_id).where(
        PoolRelease.pool_id == pool_id, PoolRelease.nonce == nonce, PoolRelease.seen_at <= moment
    )


def _asked_through_us() -> ColumnElement[bool]:
    # announcing a withdrawal moves the nonce its signature names on by one
    asked_under = (mirrored.c.nonce + (NONCES - 1)) % NONCES
    return exists().where(
        Intent.kind == "pool_withdraw",
        Intent.on_behalf_of == mirrored.c.payer,
        Intent.idem_key.startswith(
            func.concat("pool_withdraw:", func.encode(mirrored.c.pool_id, "hex"), ":", cast(asked_under, String), ":")
        ),
    )


def _covered() -> ColumnElement[bool]:
    """Whether the headroom, from which the pending withdrawal is taken off, holds all that is earned and reserved."""
    room = pool_headroom_expr(Pool.__table__.c.pool_id) + Pool.own_paid_units
    return room >= Pool.reserved_units + Pool.earned_units


def _after(statement: Select[Any], after: Place | None) -> Select[Any]:
    if after is None:
        return statement
    place = tuple_(literal(after[0], BigInteger), literal(after[1], LargeBinary))
    return statement.where(tuple_(mirrored.c.finalize_at, mirrored.c.pool_id) > place)
