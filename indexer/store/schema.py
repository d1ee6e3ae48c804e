"""The physical schema `chain_v<N>` and the views of it that consumers read as `chain`.

A new version of the tables is built beside the old one and swapped by recreating the views in one transaction, so
readers never see half of it. The tables are derived from the chain and are never migrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, text

from indexer.store.columns import SCHEMA, metadata
from indexer.store.errors import ForeignMirrorError
from indexer.store.tables import meta

VERSION: Final = 3
PHYSICAL: Final = f"{SCHEMA}_v{VERSION}"
TRANSLATE: Final[dict[str | None, str | None]] = {SCHEMA: PHYSICAL}
_INSTALL_LOCK: Final = 0x61696370


@dataclass(frozen=True, slots=True)
class Identity:
    """What a mirror is a mirror of."""

    chain_id: int
    genesis_hash: bytes
    deployment_digest: bytes
    start_block: int


def install(connection: Connection, identity: Identity) -> None:
    """Create the tables of this version if they are not there, and publish them if nothing is published yet.

    Raises ForeignMirrorError when they hold another chain or other contracts.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _INSTALL_LOCK})
    if not _schema_exists(connection, PHYSICAL):
        connection.execute(text(f"CREATE SCHEMA {PHYSICAL}"))
        metadata.create_all(connection, checkfirst=False)
        connection.execute(
            insert(meta).values(
                id=1,
                version=VERSION,
                chain_id=identity.chain_id,
                genesis_hash=identity.genesis_hash,
                deployment_digest=identity.deployment_digest,
                start_block=identity.start_block,
            )
        )
    row = connection.execute(select(meta)).one()
    if (row.chain_id, row.genesis_hash) != (identity.chain_id, identity.genesis_hash):
        raise ForeignMirrorError(f"this database mirrors another chain (id {row.chain_id}, other genesis block)")
    if row.deployment_digest != identity.deployment_digest:
        raise ForeignMirrorError("this database mirrors other contracts than the deployment file names")
    if published_version(connection) is None:
        publish(connection)


def uninstall(connection: Connection) -> None:
    """Drop this version's tables and the views on them; the chain holds everything they said."""
    if published_version(connection) == VERSION:
        connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
    connection.execute(text(f"DROP SCHEMA IF EXISTS {PHYSICAL} CASCADE"))


def published_version(connection: Connection) -> int | None:
    """Return the version the `chain` views show, or None where there are none."""
    note = connection.execute(
        text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name"), {"name": SCHEMA}
    ).scalar_one_or_none()
    return None if note is None else int(str(note).removeprefix("version "))


def publish(connection: Connection) -> None:
    """Let the `chain` views show this version; does nothing when they already do."""
    if published_version(connection) == VERSION:
        return
    connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    for table in metadata.sorted_tables:
        source = f"{PHYSICAL}.{table.name}"
        connection.execute(text(f"CREATE VIEW {SCHEMA}.{table.name} AS TABLE {source}"))
    connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS 'version {VERSION}'"))


def _schema_exists(connection: Connection, name: str) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": name})
    return found.scalar_one_or_none() is not None
