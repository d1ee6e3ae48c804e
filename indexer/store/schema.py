"""The physical schema `chain_v<N>` and the views of it that consumers read as `chain`.

Goals: a new version, or the same one built anew, stands beside the old one until it is complete; readers pass from one
to the other between two transactions and never see nothing, or half of each; their grants stay.

Invariants: the tables are derived from the chain and never migrated. Views are replaced in place in one transaction,
which first has to hold every one of them, so no transaction that has read one of them sees both versions. It waits for
readers less than a second at a time, so that it is never the other half of a deadlock; who swaps tries again. Nothing
is dropped with CASCADE that somebody else may have built upon.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from indexer.core.registry import EVENT_ROWS
from indexer.core.rows import PoolWithdrawSeen
from indexer.store.columns import SCHEMA, metadata
from indexer.store.errors import ForeignMirrorError
from indexer.store.tables import log, meta

VERSION: Final = 4
PHYSICAL: Final = f"{SCHEMA}_v{VERSION}"
TRANSLATE: Final[dict[str | None, str | None]] = {SCHEMA: PHYSICAL}
ONLY_ADDED_TO: Final = frozenset({log.name, *(kind.TABLE for kind in EVENT_ROWS)} - {PoolWithdrawSeen.TABLE})
"""Tables a backfill only adds rows to: nothing in them is dead, so vacuuming them meanwhile frees nothing."""
_INSTALL_LOCK: Final = 0x61696370
_SWAP_MILLISECONDS: Final = 800
"""Below `deadlock_timeout` (a second): a reader that waits for us is never picked as a deadlock's victim."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a mirror is a mirror of."""

    chain_id: int
    genesis_hash: bytes
    deployment_digest: bytes
    start_block: int


def named(version: int) -> str:
    """Return the physical schema of a version."""
    return f"{SCHEMA}_v{version}"


def physical_of(connection: Connection) -> str:
    """Return the physical schema this connection reads and writes, by its translation of names."""
    translate = connection.get_execution_options().get("schema_translate_map", TRANSLATE)
    return str(translate[SCHEMA])


def install(connection: Connection, identity: Identity, *, defer_indexes: bool = False) -> None:
    """Create the tables of this connection's schema if they are not there; publish them if nothing is published yet.

    With `defer_indexes` new tables get their keys only, which is all a writer needs, and nothing is vacuumed or counted
    that is only ever added to while it fills; `finish_indexes` adds the rest.
    Raises ForeignMirrorError when they hold another chain or other contracts.
    """
    lock(connection)
    physical = physical_of(connection)
    if not exists(connection, physical):
        connection.execute(text(f"CREATE SCHEMA {physical}"))
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table))
            for index in table.indexes:
                if index.unique or not defer_indexes:
                    connection.execute(CreateIndex(index))
            if defer_indexes and table.name in ONLY_ADDED_TO:
                connection.execute(text(f"ALTER TABLE {physical}.{table.name} SET (autovacuum_enabled = false)"))
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
    if physical == PHYSICAL and published_version(connection) is None:
        publish(connection)


def finish_indexes(connection: Connection) -> int:
    """Create every index of this connection's schema that is not there yet; return how many were missing.

    Readers go on meanwhile, writers wait. Every table is vacuumed from now on, and the rows are counted for the planner
    when something was missing.
    """
    physical = physical_of(connection)
    found = connection.execute(text("SELECT indexname FROM pg_indexes WHERE schemaname = :name"), {"name": physical})
    there = set(found.scalars())
    connection.execute(text("SET LOCAL statement_timeout = 0"))  # takes as long as it takes
    missing = [index for table in metadata.sorted_tables for index in table.indexes if index.name not in there]
    for index in missing:
        connection.execute(CreateIndex(index))
    unattended = text(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:name) AND reloptions IS NOT NULL "
        "AND 'autovacuum_enabled=false' = ANY(reloptions)"
    )
    for name in ONLY_ADDED_TO.intersection(connection.execute(unattended, {"name": physical}).scalars()):
        connection.execute(text(f"ALTER TABLE {physical}.{name} RESET (autovacuum_enabled)"))
    if missing:
        for table in metadata.sorted_tables:
            connection.execute(text(f"ANALYZE {physical}.{table.name}"))
    return len(missing)


def published_version(connection: Connection) -> int | None:
    """Return the version the `chain` views show, or None where there are none."""
    note = connection.execute(
        text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name"), {"name": SCHEMA}
    ).scalar_one_or_none()
    return None if note is None else int(str(note).removeprefix("version "))


def publish(connection: Connection) -> None:
    """Let the `chain` views show this connection's schema; does nothing when they already show this version.

    Raises OperationalError when readers hold the views for longer than a moment; try again.
    """
    if published_version(connection) != VERSION:
        _show(connection, physical_of(connection), VERSION)


def swap(connection: Connection, building: str, version: int) -> list[str]:
    """Give a complete schema the name of its version and let the views show it; return the schemas it took over from.

    A schema that had that name is set aside. Raises OperationalError when readers hold the views for longer than a
    moment; roll back and try again.
    """
    physical = named(version)
    former = published_version(connection)
    taken: list[str] = []
    if exists(connection, physical):
        taken.append(aside(version))
        connection.execute(text(f"ALTER SCHEMA {physical} RENAME TO {aside(version)}"))
    if former is not None and former != version:
        taken.append(named(former))
    connection.execute(text(f"ALTER SCHEMA {building} RENAME TO {physical}"))
    _show(connection, physical, version)
    return taken


def aside(version: int) -> str:
    """Return the name a schema gets that was replaced by a rebuild of the same version."""
    return f"{named(version)}_old"


def lock(connection: Connection) -> None:
    """Keep everybody else from installing or swapping until the end of this transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _INSTALL_LOCK})


def exists(connection: Connection, name: str) -> bool:
    """Return whether there is a schema of this name."""
    found = connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": name})
    return found.scalar_one_or_none() is not None


def drop(connection: Connection, physical: str) -> None:
    """Drop a physical schema that no view shows any more, if it is there.

    Raises OperationalError while somebody still reads it, InternalError where somebody has built upon it.
    """
    tables = connection.execute(
        text("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:name) AND relkind = 'r'"),
        {"name": physical},
    )
    names = ", ".join(f"{physical}.{table}" for table in tables.scalars())
    connection.execute(text(f"SET LOCAL lock_timeout = {_SWAP_MILLISECONDS}"))
    if names:
        connection.execute(text(f"DROP TABLE {names}"))
    connection.execute(text(f"DROP SCHEMA IF EXISTS {physical}"))


def _show(connection: Connection, physical: str, version: int) -> None:
    """Point the views at a schema: in place where their columns allow it, otherwise anew with the same grants."""
    if not exists(connection, SCHEMA):
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    shown, wanted = _columns(connection, SCHEMA), _columns(connection, physical)
    grants = _grants(connection)
    steps = [f"DROP VIEW {SCHEMA}.{name}" for name in sorted(shown.keys() - _names())]
    # The locks first, by the quickest change of a view there is, in another order at every try: a reader who holds a
    # view we want later and wants one we hold stops both until we give up, and would at every try in the same order.
    in_any_order = random.sample(sorted(shown), len(shown))
    steps[:0] = [f"ALTER VIEW {SCHEMA}.{name} RESET (security_barrier)" for name in in_any_order]
    for name in sorted(_names()):
        held, show = shown.get(name, []), f"VIEW {SCHEMA}.{name} AS TABLE {physical}.{name}"
        if held == wanted[name][: len(held)]:
            steps.append(f"CREATE OR REPLACE {show}")
        else:
            steps.extend((f"DROP VIEW {SCHEMA}.{name}", f"CREATE {show}"))
            steps.extend(f"GRANT {what} ON {SCHEMA}.{name} TO {whom}" for what, whom in grants[name])
    steps.append(f"COMMENT ON SCHEMA {SCHEMA} IS 'version {version}'")
    if shown:
        connection.execute(text(f"SET LOCAL statement_timeout = {_SWAP_MILLISECONDS}"))
        connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}"))
    connection.exec_driver_sql(f"DO $swap$ BEGIN {'; '.join(steps)}; END $swap$")
    connection.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
    connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def _names() -> set[str]:
    """Return the names of this version's tables."""
    return {table.name for table in metadata.sorted_tables}


def _columns(connection: Connection, name: str) -> dict[str, list[tuple[str, str]]]:
    rows = connection.execute(
        text(
            "SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = to_regnamespace(:name) "
            "AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum"
        ),
        {"name": name},
    )
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, column, kind in rows:
        found[table].append((column, kind))
    return dict(found)


def _grants(connection: Connection) -> Mapping[str, list[tuple[str, str]]]:
    """Return what others than the owner may do with each view: privilege and grantee, as GRANT spells them."""
    rows = connection.execute(
        text(
            "SELECT relname, privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END "
            "|| CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END "
            "FROM pg_class, aclexplode(relacl) WHERE relnamespace = to_regnamespace(:name) "
            "AND relkind = 'v' AND grantee <> relowner ORDER BY relname, privilege_type"
        ),
        {"name": SCHEMA},
    )
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for view, privilege, grantee in rows:
        found[view].append((privilege, grantee))
    return found


_LOCK_MILLISECONDS: Final = 100
"""How long a swap waits for one view before it lets readers go on and tries again."""
