"""Migrations go up and down on data-free tables and say exactly what the models say."""

from __future__ import annotations

from sqlalchemy import create_engine, inspect

from backend.db import migrate
from backend.db.engine import plain_dsn, sync_url
from backend.db.tables import METADATA
from backend.txm import repo


def test_up_down_and_up_again_leaves_what_the_models_say(fresh_pg_url: str) -> None:
    migrate.upgrade(fresh_pg_url)
    migrate.check(fresh_pg_url)
    migrate.downgrade(fresh_pg_url, "base")
    migrate.upgrade(fresh_pg_url)
    migrate.upgrade(fresh_pg_url)
    migrate.check(fresh_pg_url)
    engine = create_engine(sync_url(fresh_pg_url))
    with engine.connect() as connection:
        found = {
            f"{schema}.{name}" for schema in ("app", "txm") for name in inspect(connection).get_table_names(schema)
        }
    engine.dispose()
    assert found == set(METADATA.tables) | {"app.alembic_version"}


def test_intents_are_found_by_the_beginning_of_their_key_without_reading_all(fresh_pg_url: str) -> None:
    migrate.upgrade(fresh_pg_url)
    engine = create_engine(sync_url(fresh_pg_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        statement = repo.intents_like("x402_exact:ab:").compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}".replace("%", "%%")).scalars().all()
    engine.dispose()
    assert any("ix_intent_key_prefix" in line for line in plan), plan
    assert any("Index Cond" in line for line in plan), plan


def test_urls_keep_their_socket_and_change_their_driver() -> None:
    url = "postgresql://me@/base?host=/run/pg"
    assert plain_dsn(url.replace("postgresql", "postgresql+psycopg")) == url.replace("/run/pg", "%2Frun%2Fpg")
    assert sync_url(url).drivername == "postgresql+psycopg"
    assert sync_url(url).query["host"] == "/run/pg"
