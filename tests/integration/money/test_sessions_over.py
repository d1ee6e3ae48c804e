"""Sessions and WebSocket tickets that are over are forgotten, a day later; those that live are not touched."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

import pytest

from backend.auth import service
from backend.auth.models import Session, WsTicket
from backend.db.ids import new_id
from backend.db.times import moment
from backend.worker import sweeps
from tests.fixtures.moneylab import World

HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def add(world: World, *, ends: dt.timedelta, revoked: dt.timedelta | None = None, tickets: int = 0) -> uuid.UUID:
    """Store a session that ends, or was revoked, so long from now, with tickets that end with it."""
    now = moment(world.clock())
    session_id = new_id()

    def store(session) -> None:
        session.add(
            Session(
                id=session_id, token_hash=secrets.token_bytes(32), address=secrets.token_bytes(20),
                chain_id=world.ctx.deployment.chain_id, kind="bearer", scopes=["read"], created_at=now - 9 * DAY,
                expires_at=now + ends, revoked_at=None if revoked is None else now + revoked,
            )
        )  # fmt: skip
        session.flush()
        for _ in range(tickets):
            used = now if secrets.randbits(1) else None
            session.add(
                WsTicket(
                    ticket_hash=secrets.token_bytes(32), session_id=session_id, expires_at=now + ends, used_at=used
                )
            )

    world.machine.db.write(store)
    return session_id


def left(world: World) -> set[uuid.UUID]:
    return {row[0] for row in world.sql("SELECT id FROM app.session")}


def test_what_is_over_for_a_day_is_forgotten_and_what_lives_is_not(world: World) -> None:
    begun = left(world)
    live = {
        add(world, ends=HOUR, tickets=2),
        add(world, ends=-23 * HOUR, tickets=2),
        add(world, ends=HOUR, revoked=-HOUR),
    }
    add(world, ends=-25 * HOUR, tickets=3)
    add(world, ends=HOUR, revoked=-25 * HOUR, tickets=1)
    sweeps.keep(world.machine)
    assert left(world) - begun == live
    tickets = world.sql("SELECT session_id FROM app.ws_ticket WHERE session_id != ALL(:b)", b=list(begun))
    assert len(tickets) == 4
    assert {row[0] for row in tickets} < live


def test_many_go_some_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 3)
    for _ in range(5):
        add(world, ends=-2 * DAY)
    gone = [world.machine.db.write(lambda session: service.forget_over(session, world.ctx)) for _ in range(3)]
    assert gone == [3, 2, 0]
