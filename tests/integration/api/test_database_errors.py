"""What a database error says in a log: its class, code and constraint, never a value somebody sent."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from backend.api.logs import configure
from backend.db.engine import Database, SyncDatabase, make_async_engine, make_sync_engine
from backend.errors import Unavailable

SECRET = "describe my divorce papers"
TABLE = (
    "CREATE TABLE note (id integer PRIMARY KEY, body text UNIQUE CHECK (length(body) > 3), "
    "weight integer CONSTRAINT note_weight CHECK (weight > 0))"
)
INSERT = "INSERT INTO note VALUES (:id, :body, :weight)"


def twice(session: Session) -> None:
    for number in (1, 2):
        session.execute(text(INSERT), {"id": number, "body": SECRET, "weight": 1})


def too_light(session: Session) -> None:
    session.execute(text(INSERT), {"id": 1, "body": SECRET, "weight": 0})


def not_a_number(session: Session) -> None:
    session.execute(text("SELECT CAST(CAST(:body AS text) AS integer)"), {"body": SECRET})


def at_commit(session: Session) -> None:
    session.execute(text("CREATE TEMP TABLE later (body text UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP"))
    for _ in range(2):
        session.execute(text("INSERT INTO later VALUES (:body)"), {"body": SECRET})


@pytest.fixture(scope="module")
def url(pg_url: str) -> str:
    database = SyncDatabase(make_sync_engine(pg_url))
    database.write(lambda s: s.execute(text(TABLE)))
    database.close()
    return pg_url


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    structlog_before = structlog.get_config()
    configure(stream)
    yield stream
    structlog.configure(**structlog_before)
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(error: DBAPIError, stream: io.StringIO) -> str:
    """Log an error in every way a worker or the API does, and return the lines."""
    structlog.get_logger("test").error("failed", exc_info=error)
    # the task runner writes the error's repr into its own line
    logging.getLogger("celery.app.trace").error("raised: %r", error, exc_info=error)
    return stream.getvalue()


CASES = [
    (twice, ("UniqueViolation", "23505", "note_body_key")),
    (too_light, ("CheckViolation", "23514", "note_weight")),
    (not_a_number, ("InvalidTextRepresentation", "22P02")),
    (at_commit, ("UniqueViolation", "23505", "later_body_key")),
]


@pytest.mark.parametrize(("act", "told"), CASES)
def test_a_workers_database_error_carries_no_value(
    url: str, written: io.StringIO, act: Callable[[Session], None], told: tuple[str, ...]
) -> None:
    database = SyncDatabase(make_sync_engine(url))
    with pytest.raises(DBAPIError) as raised:
        database.write(act)
    database.close()
    lines = logged(raised.value, written)
    assert all(word in lines for word in told), lines
    assert SECRET not in lines
    assert "divorce" not in lines


@pytest.mark.parametrize(("act", "told"), CASES)
def test_the_apis_database_error_carries_no_value(
    url: str, written: io.StringIO, act: Callable[[Session], None], told: tuple[str, ...]
) -> None:
    async def run() -> None:
        database = Database(make_async_engine(url))
        try:
            await database.write(act)
        finally:
            await database.close()

    with pytest.raises(DBAPIError) as raised:
        asyncio.run(run())
    lines = logged(raised.value, written)
    assert all(word in lines for word in told), lines
    assert SECRET not in lines
    assert "divorce" not in lines


def test_an_error_about_the_statement_keeps_its_words(url: str) -> None:
    database = SyncDatabase(make_sync_engine(url))
    with pytest.raises(DBAPIError, match='column "colour" does not exist'):
        database.write(lambda s: s.execute(text("SELECT colour FROM note WHERE body = :body"), {"body": SECRET}))
    database.close()


@pytest.mark.asyncio
async def test_a_pool_whose_connections_are_all_taken_is_told_as_unavailable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.db.engine.POOL_WAIT_SECONDS", 0.1)
    database = Database(make_async_engine(url, pool_size=1))
    try:
        async with database.engine.connect():
            with pytest.raises(Unavailable):
                await database.read(lambda s: s.execute(text("SELECT 1")))
        assert await database.look(lambda s: s.execute(text("SELECT 1")).scalar_one()) == 1
    finally:
        await database.close()


@pytest.mark.asyncio
async def test_a_connection_that_died_while_it_was_quiet_is_replaced(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.db.engine.QUIET_SECONDS", 0.0)
    database, other = Database(make_async_engine(url, pool_size=1)), SyncDatabase(make_sync_engine(url))
    try:
        process = await database.read(lambda s: s.execute(text("SELECT pg_backend_pid()")).scalar_one())
        other.write(lambda s: s.execute(text("SELECT pg_terminate_backend(:p, 5000)"), {"p": process}))
        assert await database.read(lambda s: s.execute(text("SELECT pg_backend_pid()")).scalar_one()) != process
    finally:
        other.close()
        await database.close()
