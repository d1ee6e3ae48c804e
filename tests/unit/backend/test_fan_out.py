"""An event reaches everybody who is there; whoever comes or goes meanwhile neither misses one nor is told too much."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

from backend.outbox import hub
from backend.outbox.hub import EventHub, Subscriber
from backend.outbox.models import OutboxEvent

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OWNER = bytes(19) + b"\x01"


class Listener:
    """A connection that keeps what it is sent."""

    def __init__(self, fan: EventHub, address: bytes | None = None) -> None:
        self.seqs: list[int] = []
        self.writes = 0
        self.subscriber: Subscriber = fan.subscribe(address, self._take)

    def _take(self, frames: bytes) -> bool:
        self.writes += 1
        while frames:
            length, frames = frames[1], frames[2:]  # short texts of a server: opcode, length, no mask
            self.seqs.append(json.loads(frames[:length])["seq"])
            frames = frames[length:]
        return True


def fan_of() -> EventHub:
    nothing: Any = None
    return EventHub(nothing, nothing)


def event(seq: int, audience: list[bytes] | None = None) -> OutboxEvent:
    return OutboxEvent(id=seq, seq=seq, type="task.changed", audience=audience, payload={}, created_at=NOW)


async def halfway(fan: EventHub, seq: int, act: Any) -> None:
    """Fan an event out, and act once a part of the connections has it."""
    telling = asyncio.create_task(fan._fan_out([event(seq)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not telling.done()
    act()
    await telling


def test_everybody_is_told_in_order() -> None:
    async def run() -> None:
        fan = fan_of()
        everybody = [Listener(fan) for _ in range(2 * hub.AT_ONCE + 50)]
        owner = Listener(fan, OWNER)
        for listener in (*everybody, owner):
            listener.subscriber.go_live()
        await fan._fan_out([event(1), event(2, [OWNER]), event(3)])
        await fan._fan_out([event(4, [OWNER])])
        assert {tuple(listener.seqs) for listener in everybody} == {(1, 3)}
        assert {listener.writes for listener in everybody} == {1}, "what comes together is written together"
        assert owner.seqs == [1, 2, 3, 4]
        assert fan.last_seq == 4

    asyncio.run(run())


def test_who_comes_while_an_event_is_told_starts_behind_it() -> None:
    """It reads what was up to its start from the database; no event is in neither part."""

    async def run() -> None:
        fan = fan_of()
        for _ in range(3 * hub.AT_ONCE):
            Listener(fan).subscriber.go_live()
        late: list[Listener] = []
        await halfway(fan, 7, lambda: late.append(Listener(fan)))
        late[0].subscriber.go_live()
        await fan._fan_out([event(8)])
        assert (late[0].subscriber.start, late[0].seqs) == (7, [8])

    asyncio.run(run())


def test_no_heartbeat_names_an_event_that_somebody_still_waits_for() -> None:
    """A client goes on behind the number it heard last: with one too high it would miss an event."""

    async def run() -> None:
        fan = fan_of()
        everybody = [Listener(fan) for _ in range(3 * hub.AT_ONCE)]
        for listener in everybody:
            listener.subscriber.go_live()
        heard: list[int] = []
        await halfway(fan, 5, lambda: heard.append(fan.last_seq))
        assert heard == [0]
        assert fan.last_seq == 5
        assert all(listener.seqs == [5] for listener in everybody)

    asyncio.run(run())


def test_who_has_left_is_told_no_more() -> None:
    async def run() -> None:
        fan = fan_of()
        everybody = [Listener(fan) for _ in range(3 * hub.AT_ONCE)]
        for listener in everybody:
            listener.subscriber.go_live()

        def leave() -> None:
            for listener in everybody:
                fan.unsubscribe(listener.subscriber)

        await halfway(fan, 5, leave)
        told = sum(bool(listener.seqs) for listener in everybody)
        assert 0 < told < len(everybody)

    asyncio.run(run())


def test_what_was_numbered_here_wakes_nobody_here() -> None:
    fan, other = fan_of(), fan_of()
    for publisher, wakes in ((fan._name, False), (other._name, True), ("", True)):
        fan._wake.clear()
        fan._hear(None, 1, "aicp_events", publisher)
        assert fan._wake.is_set() is wakes
