"""The files a client keeps: one SQLite database each, of its owner alone, durable before anything is sent.

A transaction is committed to disk when its block ends; an exception inside, or a crash, leaves what was there before.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def create(path: Path, schema: Sequence[str]) -> None:
    """Open or create a file that only its owner can read, with its tables. Raises OSError or sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with transaction(path) as db:
        for statement in schema:
            db.execute(statement)


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Lend a connection with an open transaction; other processes wait. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # without a COMMIT this rolls back
