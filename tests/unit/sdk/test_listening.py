"""The event stream goes on behind what was heard, however the connection before ended."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from aicp.client import events
from aicp.client.models import Event
from aicp.client.transport import Transport


def message(kind: str, seq: int, **more: Any) -> str:
    return json.dumps({"type": kind, "seq": seq, **more})


def heard(connections: list[list[str]], wanted: int, since: int | None = None) -> tuple[list[int], list[str | None]]:
    """Listen to a server that says one list a connection and hangs up; return what was heard, and asked for each."""
    asked: list[str | None] = []

    async def say(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(parse_qs(urlsplit(connection.request.path).query).get("since", [None])[0])
        for text in connections[min(len(asked), len(connections)) - 1]:
            await connection.send(text)

    async def run() -> list[int]:
        async with serve(say, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            transport, found = Transport(f"http://127.0.0.1:{port}", None), list[Event]()
            async with asyncio.timeout(20):
                async for event in events.listen(transport, since):
                    found.append(event)
                    if len(found) == wanted:
                        break
            await transport.aclose()
            return [event.seq for event in found if event.type != "hello"]

    return asyncio.run(run()), asked


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_DELAY", 0.01)
    monkeypatch.setattr(random, "uniform", lambda *_: 0.02)


def test_a_break_before_what_was_missed_has_come_loses_none_of_it() -> None:
    first = [message("hello", 9)]
    second = [message("hello", 9), message("task.changed", 4), message("task.changed", 9)]
    found, asked = heard([first, second], 4, since=3)
    assert (found, asked) == ([4, 9], ["3", "3"])


def test_it_goes_on_behind_what_was_heard() -> None:
    first = [message("hello", 5), message("task.changed", 6), message("heartbeat", 8)]
    found, asked = heard([first, [message("hello", 9), message("task.changed", 9)]], 4)
    assert (found, asked) == ([6, 9], [None, "8"])


def test_after_a_gap_it_goes_on_where_the_service_is() -> None:
    first = [message("hello", 2, gap=True)]
    found, asked = heard([first, [message("hello", 2), message("task.changed", 3)]], 3, since=900)
    assert (found, asked) == ([3], ["900", "2"])
