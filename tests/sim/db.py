"""Trouble between the indexer and its database: connections that break before a statement, before or after COMMIT.

The connection is really closed, so the driver itself finds out. A crash is an exception that no `except Exception`
catches; whoever drives the indexer forgets it then, as a killed process is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event


class Crash(BaseException):
    """The process is gone."""


class FaultyDatabase:
    """An engine whose connections break by dice: the rates say how often, `counts` is shared with whoever reports.

    One is used for many processes in turn, since what SQLAlchemy has compiled stays with an engine.
    """

    def __init__(self, url: str, *, ping: bool = True, lock_seconds: int = 60) -> None:
        self.rate = 0.0
        self.crash_rate = 0.0
        self.free = True
        self.before: Callable[[], None] = lambda: None
        """Called ahead of every statement; may raise."""
        self.scripted = ""
        """Breaks the next COMMIT for certain: "before" or "after" it."""
        self._random = Random(0)
        self._counts: Counter[str] = Counter()
        # only a session just broken may hold locks, and how long the server takes to notice is not the story's matter
        options = f"-c synchronous_commit=off -c lock_timeout={lock_seconds * 1000}"
        self.engine: Engine = create_engine(
            url, pool_size=1, max_overflow=3, pool_timeout=5, pool_pre_ping=ping, connect_args={"options": options}
        )
        self._open: Connection | None = None
        event.listen(self.engine, "begin", self._began)
        event.listen(self.engine, "before_cursor_execute", self._statement)
        event.listen(self.engine, "commit", self._commit)

    def take(self, random: Random, counts: Counter[str], rate: float = 0.0, crash_rate: float = 0.0) -> None:
        """Begin to serve a process."""
        self.free, self._random, self._counts, self.rate, self.crash_rate = False, random, counts, rate, crash_rate

    def close(self) -> None:
        """The process has ended. What it had open is closed; a connection nobody holds has nothing left to lose."""
        if self.engine.pool.checkedout():  # type: ignore[attr-defined]
            self.engine.dispose()
        self.free, self.rate, self.crash_rate = True, 0.0, 0.0

    def lose(self) -> None:
        """Break the connection of the open transaction, if there is one."""
        if self._open is not None and not self._open.closed and self._open.in_transaction():
            self._break(self._open, "connection_lost_in_transaction")

    def _began(self, connection: Connection) -> None:
        self._open = connection

    def _statement(self, connection: Connection, *_: Any) -> None:
        self.before()
        if self._throw(self.rate / 10):
            self._break(connection, "connection_lost_at_statement")
        if self._throw(self.crash_rate / 10):
            self._counts["crash_at_statement"] += 1
            raise Crash

    def _commit(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if driver.closed:
            return  # lost already: SQLAlchemy finds out by itself, and says so in its own words
        scripted, self.scripted = self.scripted, ""
        if scripted or self._throw(self.rate):
            if scripted == "after" or (not scripted and self._random.random() < 0.5):
                driver.commit()
                self._break(connection, "connection_lost_after_commit")
            else:
                self._break(connection, "connection_lost_before_commit")
        elif self._throw(self.crash_rate):
            after = self._random.random() < 0.5
            if after:
                driver.commit()
            self._counts["crash_after_commit" if after else "crash_before_commit"] += 1
            raise Crash

    def _break(self, connection: Connection, kind: str) -> None:
        self._counts[kind] += 1
        driver: Any = connection.connection.dbapi_connection
        driver.close()

    def _throw(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate
