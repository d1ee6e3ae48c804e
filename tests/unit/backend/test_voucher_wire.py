"""Bounds of the HTTP server that takes vouchers: what a peer decides is bounded."""

from __future__ import annotations

import asyncio

import pytest

from backend.vouchers import wire
from backend.vouchers.wire import Connection, Slot


class Patient:
    """Answers `/` at once and everything else never."""

    def request(self, method: bytes, path: bytes, body: bytes, slot: Slot) -> None:
        if path == b"/":
            slot.answer(200, b"{}")

    def refusal(self, status: int, code: str, title: str) -> bytes:
        return b"{}"


async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes = b"/") -> bytes:
    """Return the first line of the answer, nothing where the connection is closed."""
    try:
        writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        return await asyncio.wait_for(reader.read(12), 10)
    except ConnectionError:
        return b""


def test_a_connection_too_many_takes_the_place_of_the_longest_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_CONNECTIONS", 2)
    open_ones: set[Connection] = set()
    clock = iter(range(1_000_000))

    async def run() -> list[bytes]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(Patient(), open_ones, lambda: next(clock)), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            busy = await asyncio.open_connection("127.0.0.1", port)
            busy[1].write(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
            silent = await asyncio.open_connection("127.0.0.1", port)
            while len(open_ones) < 2 or not any(one.under_way for one in open_ones):  # noqa: ASYNC110  # set by the server
                await asyncio.sleep(0.01)
            new = await asyncio.open_connection("127.0.0.1", port)
            answers = [await heard(*new), await heard(*silent)]
            assert any(one.under_way for one in open_ones), "what is under way is not cut"
            answers.append(await heard(*new))
            new[1].write(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
            while not all(one.under_way for one in open_ones):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            late = await asyncio.open_connection("127.0.0.1", port)
            answers.append(await heard(*late))
            for _, writer in (busy, silent, new, late):
                writer.close()
        return answers

    new, silent, again, late = asyncio.run(run())
    assert (new[:12], silent, late) == (b"HTTP/1.1 200", b"", b"")
    assert len(open_ones) <= 2
    assert again
