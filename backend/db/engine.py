"""The boundary of every transaction: opens it, runs one synchronous function, commits, and only then returns.

Goals: a caller who gets an answer knows that the commit was acknowledged; nothing else in the service commits.
Invariants: one call is one transaction; an exception of the function or of the COMMIT leaves nothing behind.
A crash before the COMMIT is acknowledged: the caller gets no answer and may repeat; a crash after it: the effect is
there and a repeat with the same Idempotency-Key finds the stored answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from backend.db.redact import redact_errors
from backend.errors import InvalidInput, Unavailable

T = TypeVar("T")

STATEMENT_TIMEOUT_MS: Final = 10_000
LOCK_TIMEOUT_MS: Final = 5_000
IDLE_IN_TRANSACTION_MS: Final = 15_000
POOL_SIZE: Final = 8
POOL_WAIT_SECONDS: Final = 5
QUIET_SECONDS: Final = 1.0
"""After so long unused a connection of the API is tried before it is used; it takes three round trips."""

# serialization_failure, deadlock_detected, lock_not_available, query_canceled, too_many_connections,
# admin_shutdown, crash_shutdown, cannot_connect_now, and the mirror's tables or schema not (yet) there: the same
# request may well succeed in a moment
_RETRYABLE: Final = frozenset(
    {"40001", "40P01", "55P03", "57014", "53300", "57P01", "57P02", "57P03", "42P01", "3F000"}
)
_UNSTORABLE: Final = frozenset({"22021", "22P05"})
"""A character that text, or JSON, cannot hold in PostgreSQL: zero."""


def async_url(url: str) -> URL:
    """Return the asyncpg form of a `postgresql://` URL (`?host=/dir` names a Unix socket)."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def sync_url(url: str) -> URL:
    """Return the psycopg form of a `postgresql://` URL."""
    return make_url(url).set(drivername="postgresql+psycopg")


def plain_dsn(url: str) -> str:
    """Return the URL without a driver name, as libpq and asyncpg read it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _limits(application: str) -> dict[str, str]:
    return {
        "application_name": application,
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    }


def make_async_engine(url: str, *, application: str = "aicp-api", pool_size: int = POOL_SIZE) -> AsyncEngine:
    """Return the engine of the API process."""
    engine = create_async_engine(
        async_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        hide_parameters=True,  # parameters hold task texts, and errors are logged
        connect_args={"timeout": POOL_WAIT_SECONDS, "server_settings": _limits(application)},
    )
    redact_errors(engine.sync_engine)
    _try_after_quiet(engine.sync_engine)
    return engine


def _try_after_quiet(engine: Engine) -> None:
    """Replace connections that were unused for a while and are dead, without a try before every transaction."""

    @event.listens_for(engine, "checkin")
    def returned(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["returned"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        since = entry.info.get("returned")
        if since is None or time.monotonic() - since < QUIET_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error


def make_sync_engine(url: str, *, application: str = "aicp-worker", pool_size: int = POOL_SIZE) -> Engine:
    """Return the engine of a worker process; build it after the fork."""
    options = " ".join(f"-c {name}={value}" for name, value in _limits(application).items())
    engine = create_engine(
        sync_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": POOL_WAIT_SECONDS, "options": options},
    )
    redact_errors(engine)
    return engine


def sqlstate_of(error: DBAPIError) -> str | None:
    """Return the five-letter SQLSTATE of a database error, whichever driver raised it."""
    state: Any = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return state if isinstance(state, str) else None


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors that a retry may cure into `Unavailable`, and texts that cannot be stored into `InvalidInput`.

    Every other database error stays an internal error.
    """
    try:
        yield
    except DBAPIError as error:
        state = sqlstate_of(error)
        lost = isinstance(error, OperationalError | InterfaceError) and (state is None or state.startswith("08"))
        if lost or error.connection_invalidated or state in _RETRYABLE:
            raise Unavailable("The database did not finish the request; try again.") from error
        if state in _UNSTORABLE:
            raise InvalidInput("A text holds a character that cannot be stored.") from error
        raise
    except PoolTimeoutError as error:
        raise Unavailable("Too much is being asked of the database; try again.") from error
    except (OSError, TimeoutError) as error:
        raise Unavailable("The database does not answer.") from error


class Database:
    """Transactions of the API: the function gets a plain `Session`, its I/O runs over asyncpg."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._write = async_sessionmaker(engine, expire_on_commit=False)
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._read = async_sessionmaker(reading, expire_on_commit=False)
        looking = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._look = async_sessionmaker(looking, expire_on_commit=False)

    async def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in one transaction and return its value after the commit. Raises Unavailable when retryable."""
        with _translated():
            return await self._run(self._write, fn)

    async def read(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in one read-only transaction with one snapshot. Raises Unavailable when retryable."""
        with _translated():
            return await self._run(self._read, fn)

    async def look(self, fn: Callable[[Session], T]) -> T:
        """Run `fn`, which asks one question, without a transaction around it. Raises Unavailable when retryable."""
        with _translated():
            return await self._run(self._look, fn)

    @staticmethod
    async def _run(sessions: async_sessionmaker[AsyncSession], fn: Callable[[Session], T]) -> T:
        async with sessions() as session, session.begin():
            return await session.run_sync(fn)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


class SyncDatabase:
    """The same boundary for workers and commands, over psycopg."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._write = sessionmaker(engine, expire_on_commit=False)
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._read = sessionmaker(reading, expire_on_commit=False)

    def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in one transaction and return its value after the commit. Raises Unavailable when retryable."""
        with _translated(), self._write() as session, session.begin():
            return fn(session)

    def read(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in one read-only transaction with one snapshot. Raises Unavailable when retryable."""
        with _translated(), self._read() as session, session.begin():
            return fn(session)

    @contextmanager
    def holding(self, locks: Sequence[int]) -> Iterator[list[int]]:
        """Hold those of some advisory locks that nobody else holds; they end with the block, or with the process.

        They are held by a connection without an open transaction, so that whoever holds them may wait for others. No
        money may depend on them alone: a lost connection ends them early. Raises Unavailable.
        """
        with _translated(), self.engine.connect() as found:
            connection = found.execution_options(isolation_level="AUTOCOMMIT")
            try:
                taken = text("SELECT key FROM unnest(CAST(:keys AS bigint[])) key WHERE pg_try_advisory_lock(key)")
                yield list(connection.execute(taken, {"keys": list(locks)}).scalars())
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
            except BaseException:
                connection.invalidate()  # the server lets go of what a lost connection held
                raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
