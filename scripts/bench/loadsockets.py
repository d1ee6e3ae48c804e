"""`python -m scripts.bench.loadsockets LOAD RESULT`: WebSocket clients that write down when each bid reached them.

Every signed-in user has one, the others are guests. Prints `ready` once all are subscribed, and goes on until its
standard input ends. Times are those of the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from scripts.bench.loadplan import Load, User
from scripts.bench.loadwire import Http, Socket, open_socket

_PATH: Final = "/api/v1/ws"
_AT_ONCE: Final = 20
"""Sockets that are being opened at a time."""


class Seen(msgspec.Struct):
    """What the sockets saw: of each bid, by its salt, when it reached each socket; and how much went wrong."""

    bids: dict[str, list[float]]
    messages: int
    lost: int
    """Sockets that the service closed."""
    cpu_s: float


class _Audience:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._bids: dict[bytes, array[float]] = {}
        self._messages = 0
        self._lost = 0
        self._hellos = 0
        self._sockets: list[Socket] = []
        self._subscribed = asyncio.Event()

    async def open(self) -> None:
        """Open every socket and wait until each is subscribed."""
        http, gate = Http(self._load.port), asyncio.Semaphore(_AT_ONCE)
        users = [*self._load.buyers, *self._load.agents]

        async def one(user: User | None) -> None:
            async with gate:
                path = _PATH if user is None else f"{_PATH}?ticket={await _ticket(http, user)}"
                self._sockets.append(await open_socket(self._load.port, path, self._told, self._gone))

        await asyncio.gather(*(one(users[n] if n < len(users) else None) for n in range(self._load.sockets)))
        await asyncio.wait_for(self._subscribed.wait(), 60)

    def seen(self) -> Seen:
        """Return what was seen until now."""
        bids = {salt.decode(): list(times) for salt, times in self._bids.items()}
        return Seen(bids, self._messages, self._lost, time.process_time())

    def _told(self, message: bytes) -> None:
        now = time.monotonic()
        self._messages += 1
        if b'"type":"bid.received"' in message:
            if b'"withdrawn":false' in message:
                at = message.index(b'"salt":"0x') + 10
                self._bids.setdefault(message[at : at + 64], array("d")).append(now)
        elif b'"type":"hello"' in message:
            self._hellos += 1
            if self._hellos == self._load.sockets:
                self._subscribed.set()

    def _gone(self) -> None:
        self._lost += 1


async def _ticket(http: Http, user: User) -> str:
    status, body = await http.send("POST", "/auth/ws-ticket", user.token)
    if status != 200:
        raise ConnectionError(f"no ticket: {body[:200]!r}")
    ticket: str = json.loads(body)["ticket"]
    return ticket


async def _run(load: Load) -> Seen:
    audience = _Audience(load)
    await audience.open()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return audience.seen()


def main() -> None:
    """Write the result when told to stop."""
    load = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Load)
    Path(sys.argv[2]).write_bytes(msgspec.msgpack.encode(uvloop.run(_run(load))))


if __name__ == "__main__":
    main()
