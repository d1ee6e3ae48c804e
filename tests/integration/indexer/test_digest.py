"""The digest of a mirror: equal for equal rows in any order, different for any changed column."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, text

from indexer.runner import Runner
from indexer.store import schema
from indexer.store.columns import metadata
from indexer.store.digest import COLUMNS, digest_of, shared_columns, state_digest, table_digests
from tests.fixtures.chainlab import USDC, Lab
from tests.integration.indexer.conftest import settle

NewRunner = Callable[[], Runner]
OTHER = {
    "BYTEA": "'\\x77'::bytea",
    "BYTEA[]": "ARRAY['\\x77'::bytea]",
    "TEXT": "'other'",
    "BOOLEAN": "NOT coalesce({}, false)",
    "JSONB": "'[1]'",
}


@pytest.fixture
def connection(lab: Lab, engine: Engine, new_runner: NewRunner):
    lab.stake()
    lab.journey()
    lab.deposit_pool(5 * USDC)
    lab.claim(total=400_000)
    settle(new_runner())
    with engine.connect() as opened:
        yield opened


def test_equal_rows_in_any_order_have_one_digest(connection: Connection) -> None:
    before = state_digest(connection, schema.PHYSICAL)
    assert state_digest(connection, "chain") == before
    for table in ("activity", "escrow_event", "ledger"):
        connection.execute(text(f"CREATE TEMPORARY TABLE held AS TABLE chain.{table}"))
        connection.execute(text(f"DELETE FROM {schema.PHYSICAL}.{table}"))
        connection.execute(text(f"INSERT INTO {schema.PHYSICAL}.{table} SELECT * FROM held ORDER BY 1 DESC, 2 DESC"))
        connection.execute(text("DROP TABLE held"))
    assert state_digest(connection, schema.PHYSICAL) == before
    connection.execute(text(f"UPDATE {schema.PHYSICAL}.cursor SET epoch = epoch + 7, updated_at = now()"))
    assert state_digest(connection, schema.PHYSICAL) == before, "not the road, only what it led to"


def test_any_changed_column_changes_the_digest_and_names_its_table(connection: Connection) -> None:
    before = table_digests(connection, schema.PHYSICAL)
    tried = 0
    for table, columns in COLUMNS.items():
        if connection.execute(text(f"SELECT count(*) FROM {schema.PHYSICAL}.{table}")).scalar_one() == 0:
            continue
        for column in columns:
            kind = str(metadata.tables[f"chain.{table}"].c[column].type.compile(connection.dialect))
            other = OTHER.get(kind, "coalesce({}, 0) + 1").format(f'"{column}"')
            with connection.begin_nested() as attempt:
                for check in _constraints(connection, table):
                    connection.execute(text(f'ALTER TABLE {schema.PHYSICAL}.{table} DROP CONSTRAINT "{check}"'))
                place = f"(SELECT min(ctid) FROM {schema.PHYSICAL}.{table})"
                connection.execute(
                    text(f'UPDATE {schema.PHYSICAL}.{table} SET "{column}" = {other} WHERE ctid = {place}')
                )
                [after] = table_digests(connection, schema.PHYSICAL, {table: columns}).values()
                attempt.rollback()
            assert after != before[table], f"{table}.{column}"
            assert digest_of({**before, table: after}) != digest_of(before)
            tried += 1
    assert tried > 100


def test_a_row_more_changes_the_digest(connection: Connection) -> None:
    before = state_digest(connection, schema.PHYSICAL)
    connection.execute(text(f"ALTER TABLE {schema.PHYSICAL}.escrow_config DROP CONSTRAINT escrow_config_pkey"))
    row = f"SELECT * FROM {schema.PHYSICAL}.escrow_config"
    connection.execute(text(f"INSERT INTO {schema.PHYSICAL}.escrow_config {row}"))
    assert state_digest(connection, schema.PHYSICAL) != before, "the same row twice is not that row once"


def test_versions_are_compared_by_the_columns_both_have(connection: Connection) -> None:
    connection.execute(text("CREATE SCHEMA older"))
    for table in (*COLUMNS, "cursor"):
        connection.execute(text(f"CREATE TABLE older.{table} AS TABLE {schema.PHYSICAL}.{table}"))
    connection.execute(text("ALTER TABLE older.escrow DROP COLUMN ending"))
    connection.execute(text("DROP TABLE older.rating"))
    shared = shared_columns(connection, "older", schema.PHYSICAL)
    assert "ending" not in shared["escrow"]
    assert "rating" not in shared
    assert shared["pool"] == COLUMNS["pool"]
    assert table_digests(connection, "older", shared) == table_digests(connection, schema.PHYSICAL, shared)


def _constraints(connection: Connection, table: str) -> list[str]:
    statement = text(
        "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'p') AND conrelid = CAST(:name AS regclass)"
    )
    return list(connection.execute(statement, {"name": f"{schema.PHYSICAL}.{table}"}).scalars())
