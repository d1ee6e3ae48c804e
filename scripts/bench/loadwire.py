"""HTTP and WebSocket clients that cost the machine next to nothing, so that the load is the service's own.

They speak to our own API alone: answers carry a Content-Length, messages are single frames of text, not compressed.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final, cast

_TEXT: Final = 1
_CLOSE: Final = 8
_PING: Final = 9
_MASKED: Final = 0x80


class _Connection(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        end = head + 4 + _content_length(buffer[:head]) if head >= 0 else len(buffer) + 1
        if len(buffer) < end:
            self._buffer = buffer
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(buffer[9:12]), buffer[head + 4 : end]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the connection was closed before the answer"))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Http:
    """Kept connections to one port; another one is opened whenever all are busy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self.opened = 0

    async def send(self, method: str, path: str, token: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return status and body of the answer. Raises OSError when the connection fails."""
        connection = await self._take()
        head = f"{method} /api/v1{path} HTTP/1.1\r\nhost: localhost:{self._port}\r\nauthorization: Bearer {token}\r\n"
        if method == "POST":
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        answer = await connection.send(head.encode() + b"\r\n" + body)
        self._idle.append(connection)
        return answer

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        self.opened += 1
        _, made = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        return made


class Socket(asyncio.Protocol):
    """A WebSocket that hands on the text of every message."""

    def __init__(self, path: str, port: int, told: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._request = (
            f"GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
        ).encode()
        self._told = told
        self._lost = lost
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.close()
                return
            self._upgraded, self._buffer = True, rest
        self._take_frames()

    def _take_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                start += wide
                if len(buffer) < start:
                    break
                length = int.from_bytes(buffer[at + 2 : start])
            if len(buffer) < start + length:
                break
            self._frame(buffer[at] & 0x0F, buffer[start : start + length])
            at = start + length
        self._buffer = buffer[at:]

    def _frame(self, kind: int, body: bytes) -> None:
        assert self._transport is not None
        if kind == _TEXT:
            self._told(body)
        elif kind == _PING:
            # a mask of zeros leaves the body as it is
            self._transport.write(bytes((0x8A, _MASKED | len(body))) + bytes(4) + body)
        elif kind == _CLOSE:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost()


async def open_socket(port: int, path: str, told: Callable[[bytes], None], lost: Callable[[], None]) -> Socket:
    """Open a WebSocket; the first message tells that it is subscribed. Raises OSError."""
    made = partial(Socket, path, port, told, lost)
    _, socket = await asyncio.get_running_loop().create_connection(made, "127.0.0.1", port)
    return socket
