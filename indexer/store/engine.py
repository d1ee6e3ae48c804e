"""The connection the mirror is written over."""

from __future__ import annotations

from typing import Final

from sqlalchemy import URL, Engine, create_engine

STATEMENT_SECONDS: Final = 120
LOCK_SECONDS: Final = 10
CONNECT_SECONDS: Final = 10


def engine(url: str | URL) -> Engine:
    """Return an engine whose statements end: a database that hangs becomes an error the loop waits out.

    A statement may take two minutes and wait ten seconds for a lock; work known to take longer, such as building
    indexes, sets its own limit in its transaction. A session that stops in a transaction for as long is ended, so a
    process that is stuck holds no lock for ever.
    """
    limits = {
        "statement_timeout": STATEMENT_SECONDS,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": STATEMENT_SECONDS,
    }
    options = " ".join(f"-c {name}={seconds * 1000}" for name, seconds in limits.items())
    arguments = {"options": options, "connect_timeout": CONNECT_SECONDS, "application_name": "aicp-indexer"}
    return create_engine(url, pool_size=2, max_overflow=1, pool_pre_ping=True, connect_args=arguments)
