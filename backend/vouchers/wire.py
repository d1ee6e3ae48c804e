"""HTTP/1.1 for one kind of traffic: small JSON bodies over connections that stay open.

Goals: as few steps for each request as Python allows, and bounds on everything a peer decides: length of address,
headers and body, requests under way on a connection, silence, unread answers.
Invariants: answers leave in the order of the requests; a connection that breaks a bound is answered once and closed.
A crash closes sockets: a request without an answer may or may not have been carried out, and is safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

MAX_BODY: Final = 1 << 20
MAX_HEAD: Final = 8 << 10
MAX_UNDER_WAY: Final = 16
MAX_REFUSED: Final = 256
"""Requests on one connection beyond which it is closed: they come faster than they are read back."""
MOST_CONNECTIONS: Final = 2_000
"""Connections of one process; each may hold bodies and answers. One more takes the place of the longest silent one."""
SILENT_SECONDS: Final = 75.0
HALF_SECONDS: Final = 15.0
"""How long half a request may take."""

_REASON: Final = {
    200: "OK", 400: "Bad Request", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"


def _head(status: int, extra: str) -> bytes:
    kind = _JSON if status < 400 else _PROBLEM
    return f"HTTP/1.1 {status} {_REASON[status]}\r\ncontent-type: {kind}\r\n{extra}content-length: ".encode()


_HEADS: Final = {
    status: _head(status, "retry-after: 1\r\n" if status == 503 else "") for status in _REASON
}  # fmt: skip


def response(status: int, body: bytes) -> bytes:
    """Return the bytes of a response; every 503 asks to come back in a second."""
    return b"%b%d\r\n\r\n%b" % (_HEADS[status], len(body), body)


class Slot:
    """The place of one answer among those of its connection."""

    __slots__ = ("_connection", "bytes")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.bytes: bytes | None = None

    def answer(self, status: int, body: bytes) -> None:
        """Give the answer; it leaves once those before it have."""
        self.bytes = response(status, body)
        self._connection.flush()


class Handler(Protocol):
    """What is done with a request; every slot is answered sooner or later."""

    def request(self, method: bytes, path: bytes, body: bytes, slot: Slot) -> None:
        """Take a request. Must not raise."""

    def refusal(self, status: int, code: str, title: str) -> bytes:
        """Return the problem document for a request that never got so far."""


class Connection(asyncio.Protocol):
    """One client. See the module's docstring for its bounds."""

    __slots__ = (
        "_body", "_broken", "_closing", "_connections", "_handler", "_head", "_now", "_parser", "_paused", "_size",
        "_slots", "_transport", "_url", "_write_paused", "busy_since", "last",
    )  # fmt: skip

    def __init__(self, handler: Handler, connections: set[Connection], now: Callable[[], float]) -> None:
        self._handler = handler
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._slots: deque[Slot] = deque()
        self._url = b""
        self._body: bytes | list[bytes] = b""
        self._size = self._head = 0
        self._paused = self._write_paused = self._closing = self._broken = False
        self._now = now
        self.last = now()
        self.busy_since: float | None = None

    # -- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        if len(self._connections) >= MOST_CONNECTIONS:
            idle = [other for other in self._connections if not other.under_way]
            longest = min(idle, key=lambda other: other.last, default=self)
            longest.cut()
            if longest is self:
                return
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's shape
        self._connections.discard(self)
        self._transport = None

    def pause_writing(self) -> None:
        self._write_paused = True
        self._regulate()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._regulate()

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        self.last = self._now()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "bad_request", "This service speaks HTTP/1.1 only.")
        except httptools.HttpParserError:
            self._refuse(400, "bad_request", "This is not an HTTP/1.1 request.")

    # -- httptools ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url, self._body, self._size, self._head = b"", b"", 0, 0
        self.busy_since = self.last

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_HEAD:
            self._refuse(431, "too_large", "The request's head is too large.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if self._head > MAX_HEAD:
            self._refuse(431, "too_large", "The request's head is too large.")
        elif len(name) == 14 and name.lower() == b"content-length" and int(value) > MAX_BODY:
            self._refuse(413, "too_large", "The body is larger than allowed.")
        elif len(name) == 6 and name.lower() == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MAX_BODY:
            self._refuse(413, "too_large", "The body is larger than allowed.")
        elif not self._body:
            self._body = body
        elif isinstance(self._body, bytes):
            self._body = [self._body, body]
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self.busy_since = None
        if self._broken or self._closing:
            return
        slot = Slot(self)
        self._slots.append(slot)
        if not self._parser.should_keep_alive():
            self._closing = True
        under_way = len(self._slots)
        if under_way >= MAX_UNDER_WAY:
            if under_way > MAX_REFUSED:
                self._refuse(503, "overloaded", "Too many requests wait on this connection.")
                return
            self._regulate()
        body = self._body if isinstance(self._body, bytes) else b"".join(self._body)
        self._handler.request(self._parser.get_method(), self._url, body, slot)

    # -- answers -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send every answer whose turn has come."""
        slots = self._slots
        if not slots or slots[0].bytes is None:
            return
        first = slots.popleft().bytes
        assert first is not None
        if slots and slots[0].bytes is not None:
            ready = [first]
            while slots and (following := slots[0].bytes) is not None:
                ready.append(following)
                slots.popleft()
            first = b"".join(ready)
        if self._transport is None:
            return
        self._transport.write(first)
        if self._closing and not slots:
            self._transport.close()
        elif self._paused:
            self._regulate()

    @property
    def under_way(self) -> int:
        """How many requests have no answer yet."""
        return len(self._slots)

    def close(self) -> None:
        """Close once the answers under way have left; requests that come now are not taken."""
        self._closing = True
        if not self._slots and self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close at once; what is under way is carried out and told to nobody."""
        self._broken = True
        self._connections.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now: float) -> None:
        """Close what is silent for too long, or has sent half a request and no more. Called every few seconds."""
        if self._transport is None:
            return
        if self.busy_since is not None:
            if now - self.busy_since > HALF_SECONDS:
                self._transport.abort()
        elif not self._slots and now - self.last > SILENT_SECONDS:
            self._transport.close()

    def _regulate(self) -> None:
        pause = self._write_paused or len(self._slots) >= MAX_UNDER_WAY
        if pause is self._paused or self._transport is None or self._transport.is_closing():
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _refuse(self, status: int, code: str, title: str) -> None:
        """Answer what can not be read any further, and close."""
        if self._broken:
            return
        self._broken = self._closing = True
        slot = Slot(self)
        self._slots.append(slot)
        slot.answer(status, self._handler.refusal(status, code, title))
