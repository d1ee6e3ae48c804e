"""Statements of the voucher engine, as text for asyncpg: one prepared statement pays for a whole group.

Amounts travel as 64-bit integers: no pool can ever hold more base units than that, and they cost a tenth of a decimal.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.dialects.postgresql import asyncpg

from indexer import views

MOST_UNITS: Final = 2**63 - 1


def _text(expression: ColumnElement[Any]) -> str:
    compiled = select(expression.label("the_value")).compile(
        dialect=asyncpg.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    return f"({str(compiled).removeprefix('SELECT ').rpartition(' AS the_value')[0]})"


_POOL: Final[ColumnElement[bytes]] = literal_column("p.pool_id")
_HEADROOM: Final = _text(views.pool_headroom_expr(_POOL))
_PENDING: Final = _text(views.pool_pending_expr(_POOL))
_SPENT: Final = "CASE WHEN p.spent_day = $9::int4 THEN p.spent_units ELSE 0 END"


def _pay(room: str) -> str:
    """A group: all its pools have room and all its channels stand where we think, or nothing is written.

    Where one does not, the entry would have no kind, which the table refuses. Pools are locked before channels, each in
    the order of their ids: so does whoever else holds several of them until a COMMIT, and none waits in a ring.
    """
    return f"""
    WITH paid AS (
        UPDATE app.pool AS p
        SET earned_units = p.earned_units + t.price, spent_day = $9::int4, spent_units = {_SPENT} + t.price
        FROM (
            SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[]) AS u (pool_id, price, headroom) ORDER BY u.pool_id
        ) AS t
        WHERE p.pool_id = t.pool_id AND {room} AND {_SPENT} + t.price <= $10::int8
        RETURNING p.pool_id, t.price, p.reserved_units, p.earned_units, p.own_paid_units, p.spent_units
    ), raised AS (
        UPDATE app.channel AS c
        SET ceiling_units = t.ceiling, ceiling_signature = t.signature, earned_units = c.earned_units + t.price
        FROM (
            SELECT * FROM unnest($4::bytea[], $5::int8[], $6::int8[], $7::bytea[], $8::int8[])
                AS u (channel_id, expected, ceiling, signature, price) ORDER BY u.channel_id
        ) AS t
        WHERE c.channel_id = t.channel_id AND c.ceiling_units = t.expected
        RETURNING c.channel_id, t.price
    ), entry AS (
        INSERT INTO app.ledger_entry (kind)
        SELECT CASE WHEN (SELECT count(*) FROM paid) = cardinality($1)
            AND (SELECT count(*) FROM raised) = cardinality($4) THEN 'pay' END
        RETURNING id
    ), kept AS (
        INSERT INTO app.voucher (channel_id, ceiling_units, signature, paid_units, entry_id)
        SELECT t.channel_id, t.ceiling, t.signature, t.price, entry.id
        FROM entry, unnest($11::bytea[], $12::int8[], $13::bytea[], $14::int8[])
            AS t (channel_id, ceiling, signature, price)
    ), posted AS (
        INSERT INTO app.posting (entry_id, account, owner, delta_units)
        SELECT entry.id, 'available', paid.pool_id, -paid.price FROM entry, paid
        UNION ALL
        SELECT entry.id, 'owed', raised.channel_id, raised.price FROM entry, raised
    )
    SELECT pool_id, reserved_units::int8, earned_units::int8, own_paid_units::int8, spent_units::int8 FROM paid
    """  # noqa: S608  # the parts are our own


_PROMISED: Final = "p.own_paid_units >= p.reserved_units + p.earned_units + t.price"
PAY: Final = _pay(f"t.headroom + {_PROMISED}")
"""Parameters: pools (id, sum, headroom), channels (id, stored ceiling, new ceiling, its signature, sum), UTC day, daily
cap, vouchers (channel, ceiling, signature, price). Returns the pools' figures after it."""
PAY_EXACT: Final = _pay(f"coalesce({_PENDING}, 1) = 0 AND {_HEADROOM} + {_PROMISED}")
"""The same with the mirror's own figures instead of the ones given."""

CHANNELS: Final = """
    SELECT c.channel_id, c.pool_id, c.kind, c.receiver, c.ceiling_units, c.ceiling_signature, c.earned_units,
        c.in_flight_units, coalesce(v.paid_units, 0) AS paid_units
    FROM app.channel c LEFT JOIN app.voucher v ON v.channel_id = c.channel_id AND v.ceiling_units = c.ceiling_units
    WHERE c.channel_id = ANY($1::bytea[])
    """
POOLS: Final = f"""
    SELECT p.pool_id, p.payer, p.payer_authorizer, p.operator, p.reserved_units, p.earned_units, p.own_paid_units,
        p.spent_day, p.spent_units, {_HEADROOM} AS headroom_units, {_PENDING} AS pending_units
    FROM app.pool p WHERE p.pool_id = ANY($1::bytea[])
    """  # noqa: S608
HEADROOMS: Final = f"""
    SELECT p.pool_id, {_HEADROOM} AS headroom_units, {_PENDING} AS pending_units
    FROM unnest($1::bytea[]) AS p (pool_id)
    """  # noqa: S608
LOWER: Final = """
    SELECT v.channel_id, v.ceiling_units, v.signature, v.paid_units
    FROM unnest($1::bytea[], $2::int8[]) AS t (channel_id, ceiling)
    JOIN app.voucher v ON v.channel_id = t.channel_id AND v.ceiling_units = t.ceiling
    """
NEW_POOL: Final = """
    INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)
    VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (pool_id) DO NOTHING
    """
NEW_CHANNEL: Final = """
    INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units)
    VALUES ($1, $2, $3, 0, 0, 0) ON CONFLICT (channel_id) DO NOTHING
    """
CURSOR: Final = "SELECT finalized_number, finalized_time FROM chain.cursor"
CHANGED: Final = """
    SELECT pool_id FROM chain.pool_event WHERE block_number > $1
    UNION SELECT pool_id FROM chain.pool_withdraw_seen WHERE block_number > $1
    """
