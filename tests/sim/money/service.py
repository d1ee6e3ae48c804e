"""The backend under test, put together over one database and the story's nodes: the API's side, and workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

import httpx
from sqlalchemy import text

from aicp.rules.constants import network
from aicp.rules.deployment import OperatorEpoch
from backend.context import Context, OperatorSigner, deployment_ledgers, domains_of
from backend.db import migrate
from backend.db.engine import SyncDatabase
from backend.db.redact import redact_errors
from backend.settings import Settings
from backend.txm.keys import LocalKey
from backend.txm.machine import Machine
from backend.txm.rpc import Rpc
from backend.txm.signer import Keyring
from tests.sim.db import FaultyDatabase
from tests.sim.money.people import OPERATORS, Person, cast, deployment, key
from tests.sim.sandbox import Sandbox
from tests.sim.turn import CHAIN_ID

_SCHEMAS: Final = ("app", "txm")
_KEPT: Final = frozenset({"alembic_version", "newcomer_credit", "receipt_mark"})
"""What a new database is born with; the mark only grows, as transactions' numbers do, and no story assigns tasks."""
_SECONDS: Final = 5.0


class Inline:
    """Does at once, in order, what threads would do: so a story is the same each time."""

    def map(self, fn: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        """Return the results."""
        return map(fn, *items)

    def shutdown(self) -> None:
        """Nothing waits."""


class MoneySandbox(Sandbox):
    """A worker's database: the mirror, and the backend's tables beside it; emptied between stories."""

    def __init__(self, url: str) -> None:
        migrate.upgrade(url)
        super().__init__(url)
        self.backends = tuple(FaultyDatabase(url, ping=False, lock_seconds=1) for _ in range(4))
        for database in self.backends:
            redact_errors(database.engine)
        with self.engine.connect() as connection:
            found = text("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = ANY(:schemas)")
            names = connection.execute(found, {"schemas": list(_SCHEMAS)}).scalars()
            self._tables = [name for name in names if name.split(".")[1] not in _KEPT]
        self._count = 0

    def empty(self) -> None:
        """Delete every row; the ledger's own guards are for those who use it."""
        super().empty()
        self._count += 1
        with self.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            if self._count % 25 == 0:
                connection.exec_driver_sql(f"TRUNCATE {', '.join(self._tables)}")
            else:
                connection.exec_driver_sql(";".join(f"DELETE FROM {table}" for table in self._tables))

    def backend(self) -> FaultyDatabase:
        """Return a database no process of the backend uses."""
        return next(one for one in self.backends if one.free)

    def spare(self) -> FaultyDatabase | None:
        """Return such a database, None where all are in use."""
        return next((one for one in self.backends if one.free), None)

    def close(self) -> None:
        """Close the connections."""
        for database in self.backends:
            database.close()
            database.engine.dispose()
        super().close()


def context(
    url: str, now: Callable[[], int], operators: tuple[OperatorEpoch, ...] | None = None, **rules: int
) -> Context:
    """Return the backend's context. `rules` are constants of the network a story changes."""
    settings = Settings(
        _env_file=None,
        database_url=url,
        redis_url="",
        rpc_urls=["http://node0", "http://node1"],
        chain_id=CHAIN_ID,
        deployment=Path("nowhere.json"),
        operator_key="0x" + key(OPERATORS[0]).hex(),
        relayer_keys=["0x" + key(one.name).hex() for one in cast().relayers],
        relayed_gas_per_day=10**9,
        session_key_units_per_day=10**9,
        rpc_timeout_seconds=_SECONDS,
    )  # type: ignore[call-arg]
    known = network(CHAIN_ID)
    return Context(
        settings=settings,
        network=replace(known, constants=replace(known.constants, **rules)),
        deployment=replace(deployment(), operators=operators or deployment().operators),
        domains=domains_of(deployment()),
        ledgers=deployment_ledgers(deployment()),
        now=now,
        signers=tuple(OperatorSigner.from_hex("0x" + key(name).hex()) for name in OPERATORS),
    )


def machine(
    ctx: Context,
    database: FaultyDatabase,
    transports: Sequence[httpx.BaseTransport],
    clock: Callable[[], float],
    relayers: Sequence[Person],
) -> Machine:
    """Return a worker's machine as a new process has it."""
    clients = [httpx.Client(transport=transport) for transport in transports]
    with patch.object(httpx, "Client", side_effect=clients):
        rpc = Rpc(ctx.settings.rpc_urls, CHAIN_ID, _SECONDS)
    rpc._threads = Inline()  # type: ignore[assignment]
    for node in rpc._nodes:
        node.clock = clock
    keys = Keyring(CHAIN_ID, [LocalKey(key(one.name)) for one in relayers])
    return Machine(ctx=ctx, db=SyncDatabase(database.engine), rpc=rpc, keys=keys)


def taken(sandbox: MoneySandbox, random: Random, counts: Counter[str], rates: tuple[float, float]) -> FaultyDatabase:
    """Return a free database that serves a new process, breaking by dice."""
    database = sandbox.backend()
    database.take(random, counts, *rates)
    return database
