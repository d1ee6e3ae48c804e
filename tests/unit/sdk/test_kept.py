"""The files a client keeps: their owner reads them, and a transaction is whole or nothing."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from aicp.client.ballots import BallotBox
from aicp.client.kept import create, transaction
from aicp.client.store import Store
from aicp.client.vouchers import VoucherBook

_TABLE = "CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY)"


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    create(file, [_TABLE])

    def half() -> None:
        with transaction(file) as db:
            db.execute("INSERT INTO thing VALUES ('one')")
            db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(sqlite3.Error):
        half()
    with transaction(file) as db:
        assert db.execute("SELECT count(*) FROM thing").fetchone() == (0,)


def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    create(file, [_TABLE])
    with transaction(file) as db:
        db.execute("INSERT INTO thing VALUES ('one')")
    create(file, [_TABLE])
    with transaction(file) as db:
        assert db.execute("SELECT name FROM thing").fetchall() == [("one",)]


@pytest.mark.parametrize("name", ["store", "votes", "vouchers"])
def test_only_its_owner_reads_a_file_of_the_client(tmp_path: Path, name: str) -> None:
    before = os.umask(0)
    try:
        file = tmp_path / "home" / name
        if name == "store":
            Store(file)
        elif name == "votes":
            BallotBox(file, b"\x01" * 20, b"\x02" * 20)
        else:
            VoucherBook(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
