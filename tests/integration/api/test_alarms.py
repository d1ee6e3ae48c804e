"""Alarms: one open row for a kind and subject, told once, over once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.alarms import repo
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.db import migrate
from backend.db.engine import SyncDatabase, make_sync_engine


@pytest.fixture(scope="module")
def db(pg_url: str) -> Iterator[SyncDatabase]:
    migrate.upgrade(pg_url)
    made = SyncDatabase(make_sync_engine(pg_url))
    yield made
    made.close()


def told(db: SyncDatabase) -> int:
    with db.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM app.outbox WHERE type = 'alarm.changed'")
        return int(found.scalar_one())


def test_an_alarm_is_told_when_it_begins_and_when_it_ends(db: SyncDatabase) -> None:
    before = told(db)
    assert db.write(lambda s: alarms.raise_alarm(s, AlarmKind.KEY_LOW, "0x01", "It has little."))
    assert not db.write(lambda s: alarms.raise_alarm(s, AlarmKind.KEY_LOW, "0x01", "It has less."))
    assert told(db) == before + 1
    [row] = db.read(alarms.open_alarms)
    assert (row.kind, row.subject, row.detail, row.times) == ("key_low", "0x01", "It has less.", 2)
    assert db.write(lambda s: alarms.clear(s, AlarmKind.KEY_LOW, "0x01"))
    assert not db.write(lambda s: alarms.clear(s, AlarmKind.KEY_LOW, "0x01"))
    assert told(db) == before + 2
    assert db.read(alarms.open_alarms) == []
    assert db.write(lambda s: alarms.raise_alarm(s, AlarmKind.KEY_LOW, "0x01", "Again.")), "a new one, not the old"
    assert len(db.read(lambda s: list(s.execute(repo.latest_alarms(10)).scalars()))) == 2


def test_those_that_are_no_longer_named_are_over(db: SyncDatabase) -> None:
    for subject in ("a", "b", "c"):
        db.write(lambda s, subject=subject: alarms.raise_alarm(s, AlarmKind.NODE_DOWN, subject, "Silent."))
    db.write(lambda s: alarms.raise_alarm(s, AlarmKind.WRONG_CHAIN, "a", "Elsewhere."))
    assert db.write(lambda s: alarms.clear_others(s, AlarmKind.NODE_DOWN, ["b"])) == 2
    left = {(row.kind, row.subject) for row in db.read(alarms.open_alarms)}
    assert {("node_down", "b"), ("wrong_chain", "a")} <= left
    assert not {("node_down", "a"), ("node_down", "c")} & left
