"""Statements over pool withdrawals whose time has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, LargeBinary, Select, String, cast, exists, func, literal, select, tuple_

from aicp.rules.primitives import Finality
from backend.payments.models import Channel, Pool
from backend.txm.models import Intent
from indexer.projections.payment_channel import channel as mirrored_channels
from indexer.projections.payment_channel import pool as mirrored
from indexer.views.sync import bound

NONCES: Final = 2**24
"""The contract counts the nonces of a pool in 24 bits."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal of a pool, pending under the nonce of its announcement."""

    pool_id: bytes
    payer: bytes
    payer_authorizer: bytes
    operator: bytes
    nonce: int
    finalize_at: int


def withdrawals_due(
    now: int, after: tuple[int, bytes] | None, limit: int
) -> Select[bytes, bytes, bytes, bytes, int, int]:
    """The columns of `Withdrawal`, oldest first: withdrawals asked for through us whose wait is over by `now`.

    What is reserved, or earned and not claimed, must be covered by what stays in the pool: our own call never takes
    away what agents are owed.
    """
    # announcing a withdrawal moves the nonce its signature names on by one
    asked_under = (mirrored.c.nonce + (NONCES - 1)) % NONCES
    asked = exists().where(
        Intent.kind == "pool_withdraw",
        Intent.on_behalf_of == mirrored.c.payer,
        Intent.idem_key.startswith(
            func.concat("pool_withdraw:", func.encode(mirrored.c.pool_id, "hex"), ":", cast(asked_under, String), ":")
        ),
    )
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
    columns = mirrored.c
    statement = (
        select(
            columns.pool_id, columns.payer, columns.payer_authorizer, columns.operator, columns.nonce,
            columns.finalize_at,
        )
        .join(Pool, Pool.pool_id == mirrored.c.pool_id)
        .where(
            mirrored.c.finalize_at <= now,
            mirrored.c.block_number <= bound(Finality.SAFE),
            asked,
            Pool.reserved_units + unclaimed <= stays,
        )
        .order_by(mirrored.c.finalize_at, mirrored.c.pool_id)
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        place = tuple_(literal(after[0], BigInteger), literal(after[1], LargeBinary))
        statement = statement.where(tuple_(mirrored.c.finalize_at, mirrored.c.pool_id) > place)
    return statement
