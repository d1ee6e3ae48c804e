"""The database of one worker: the mirror's schema is made once and emptied between seeds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import create_engine, text

from indexer.settings import deployment_digest
from indexer.store import schema
from indexer.store.columns import metadata
from tests.sim.chain import Chain
from tests.sim.db import FaultyDatabase
from tests.sim.turn import CHAIN_ID, CONTRACTS

_KEPT: Final = frozenset({"meta"})


class Sandbox:
    """See the module's docstring. `url` names an empty database nobody else uses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url, connect_args={"options": "-c synchronous_commit=off"})
        self.databases = (FaultyDatabase(url), FaultyDatabase(url))
        """As many as there may be indexers at once."""
        self.rebuilt = False
        """Whether somebody has built the schema anew, and may have left others."""
        self._emptied = 0
        self._install()

    def empty(self) -> None:
        """Delete every row but the identity; now and then by TRUNCATE, which also takes the dead ones."""
        self._emptied += 1
        if self.rebuilt:
            self._install()
        tables = [f"{schema.PHYSICAL}.{table.name}" for table in metadata.sorted_tables if table.name not in _KEPT]
        with self.engine.begin() as connection:
            if self._emptied % 25 == 0:
                connection.execute(text(f"TRUNCATE {', '.join(tables)}"))
            else:
                connection.exec_driver_sql(";".join(f"DELETE FROM {table}" for table in tables))

    def _install(self) -> None:
        """Create the mirror's schema, and drop what was there before."""
        identity = schema.Identity(
            chain_id=CHAIN_ID,
            genesis_hash=Chain().genesis.hash,
            deployment_digest=deployment_digest(CONTRACTS),
            start_block=1,
        )
        mapped = self.engine.execution_options(schema_translate_map=schema.TRANSLATE)
        with mapped.begin() as connection:
            found = text("SELECT nspname FROM pg_namespace WHERE nspname ~ '^chain(_|$)'")
            for name in connection.execute(found).scalars().all():
                connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
            schema.install(connection, identity)
        self.rebuilt = False

    def free(self) -> FaultyDatabase:
        """Return a database no process uses."""
        return next(one for one in self.databases if one.free)

    def close(self) -> None:
        """Close the connections."""
        for database in self.databases:
            database.close()
        self.engine.dispose()
