"""The ledger begins, by migration, with what was promised and earned before there was one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from backend.db import migrate
from backend.db.engine import sync_url

BUSY, QUIET, EARNED = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
FIRST, SECOND, THIRD, EMPTY = b"\x11" * 32, b"\x12" * 32, b"\x13" * 32, b"\x14" * 32
BEFORE = "0006"


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(sync_url(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def pool(connection: Connection, pool_id: bytes, *, reserved: int, earned: int) -> None:
    connection.execute(
        text(
            "INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)"
            " VALUES (:id, :who, :who, :who, :reserved, :earned)"
        ),
        {"id": pool_id, "who": b"\xaa" * 20, "reserved": reserved, "earned": earned},
    )


def channel(connection: Connection, channel_id: bytes, pool_id: bytes, *, in_flight: int, earned: int) -> None:
    connection.execute(
        text(
            "INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units)"
            " VALUES (:id, :pool, :who, :ceiling, :in_flight, :earned)"
        ),
        {
            "id": channel_id,
            "pool": pool_id,
            "who": channel_id[:20],
            "in_flight": in_flight,
            "earned": earned,
            "ceiling": in_flight + earned,
        },
    )


def order(connection: Connection, number: int, pool_id: bytes, *, price: int, state: str, hours: int) -> None:
    connection.execute(
        text(
            "INSERT INTO app.micro_order (order_hash, deal_id, channel_id, pool_id, bid_hash, price_units, deliver_by,"
            " evaluate_by, signature, state, created_at) VALUES (:hash, gen_random_uuid(), :channel, :pool, :hash,"
            " :price, 0, 0, '', :state, now() - make_interval(hours => :hours))"
        ),
        {
            "hash": bytes([number]) * 32,
            "channel": FIRST,
            "pool": pool_id,
            "price": price,
            "state": state,
            "hours": hours,
        },
    )


def before_the_ledger(url: str, *, owed: int = 70) -> None:
    """Three pools as they were: one with orders and two channels, one that never paid, one with nothing in flight."""
    migrate.upgrade(url, BEFORE)
    with connected(url) as connection:
        pool(connection, BUSY, reserved=30, earned=70 + 5)
        pool(connection, QUIET, reserved=0, earned=0)
        pool(connection, EARNED, reserved=0, earned=10**30)
        channel(connection, FIRST, BUSY, in_flight=30, earned=owed)
        channel(connection, SECOND, BUSY, in_flight=0, earned=5)
        channel(connection, THIRD, EARNED, in_flight=0, earned=10**30)
        channel(connection, EMPTY, QUIET, in_flight=0, earned=0)
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # the orders' deals do not matter here
        order(connection, 1, BUSY, price=30, state="reserved", hours=1)
        order(connection, 2, BUSY, price=40, state="earned", hours=23)
        order(connection, 3, BUSY, price=1000, state="void", hours=1)
        order(connection, 4, BUSY, price=2000, state="earned", hours=25)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_what_was_owed_and_promised_opens_the_ledger(fresh_pg_url: str) -> None:
    before_the_ledger(fresh_pg_url)
    migrate.upgrade(fresh_pg_url)
    migrate.check(fresh_pg_url)
    entries = rows(
        fresh_pg_url,
        "SELECT e.reference, p.account, p.owner, p.delta_units FROM app.ledger_entry e"
        " JOIN app.posting p ON p.entry_id = e.id WHERE e.kind = 'opening' ORDER BY 1, 2, 3",
    )
    assert entries == [
        (BUSY.hex(), "available", BUSY, -105),
        (BUSY.hex(), "owed", FIRST, 70),
        (BUSY.hex(), "owed", SECOND, 5),
        (BUSY.hex(), "reserved", BUSY, 30),
        (EARNED.hex(), "available", EARNED, -(10**30)),
        (EARNED.hex(), "owed", THIRD, 10**30),
    ]
    assert rows(fresh_pg_url, "SELECT count(*), sum(delta_units) FROM app.posting") == [(6, 0)]
    assert rows(fresh_pg_url, "SELECT count(*) FROM app.ledger_entry") == [(2,)], "a pool that owes nothing has none"


def test_what_was_kept_goes_on(fresh_pg_url: str) -> None:
    before_the_ledger(fresh_pg_url)
    migrate.upgrade(fresh_pg_url)
    channels = rows(
        fresh_pg_url,
        "SELECT channel_id, kind, receipted_units, claimed_units, own_paid_units FROM app.channel ORDER BY 1",
    )
    assert channels == [
        (FIRST, "market", 70, 0, 0),
        (SECOND, "market", 5, 0, 0),
        (THIRD, "market", 10**30, 0, 0),
        (EMPTY, "market", 0, 0, 0),
    ]
    spent = rows(fresh_pg_url, "SELECT spent_units FROM app.pool ORDER BY pool_id")
    assert spent == [(70,), (0,), (0,)], "the last day's orders, without those that were voided"


def test_channels_that_do_not_add_up_to_their_pool_stop_the_upgrade(fresh_pg_url: str) -> None:
    before_the_ledger(fresh_pg_url, owed=69)
    with pytest.raises(IntegrityError, match="do not add up to zero"):
        migrate.upgrade(fresh_pg_url)
    assert rows(fresh_pg_url, "SELECT version_num FROM app.alembic_version") == [(BEFORE,)]
    assert rows(fresh_pg_url, "SELECT to_regclass('app.ledger_entry')") == [(None,)]
