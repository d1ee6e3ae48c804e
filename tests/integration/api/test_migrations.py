"""Migrations go up and down on data-free tables and say exactly what the models say."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect

from backend.db import migrate
from backend.db.engine import plain_dsn, sync_url
from backend.db.tables import METADATA

pytestmark = pytest.mark.services


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


def test_urls_keep_their_socket_and_change_their_driver() -> None:
    url = "postgresql://me@/base?host=/run/pg"
    assert plain_dsn(url.replace("postgresql", "postgresql+psycopg")) == url.replace("/run/pg", "%2Frun%2Fpg")
    assert sync_url(url).drivername == "postgresql+psycopg"
    assert sync_url(url).query["host"] == "/run/pg"
