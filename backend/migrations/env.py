"""Alembic's entry: only the schemas `app` and `txm`; `chain` belongs to the indexer."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import create_engine, pool, text

from backend.db.base import Units
from backend.db.tables import METADATA

SCHEMAS = ("app", "txm")
LOCK = 4_703_811_942


def _include(name: str | None, kind: str, parents: Any) -> bool:
    return kind != "schema" or name in SCHEMAS


def _render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    return "sa.Numeric(78, 0)" if kind == "type" and isinstance(item, Units) else False


def run() -> None:
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin():
        # two processes that start together must not both migrate
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        for schema in SCHEMAS:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        context.configure(
            connection=connection,
            target_metadata=METADATA,
            include_schemas=True,
            include_name=_include,
            render_item=_render,
            version_table="alembic_version",
            version_table_schema="app",
            compare_server_default=True,
        )
        context.run_migrations()
    engine.dispose()


run()
