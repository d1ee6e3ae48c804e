"""Nodes are asked in turn, whatever the first one does: nobody waits for a silent one longer than was said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from backend import nodes

ASKED = [nodes.request(0, "eth_chainId")]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = (line for line in head.lower().split(b"\n") if line.startswith(b"content-length"))
    length = int(next(lines).split(b":")[1])
    await reader.readexactly(length)
    return head


def answer(result: str = "0x1", *, body: bytes | None = None, headers: str = "") -> bytes:
    said = json.dumps([{"id": 0, "result": result}]).encode() if body is None else body
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n{headers}\r\n".encode() + said


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await request_of(reader)
        writer.write(answer())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    await asyncio.sleep(60)


def asking(act: Callable[[Any], Awaitable[None]], *served: Serve) -> None:
    """Serve nodes and act with a context that names them."""

    async def run() -> None:
        def quietly(serve: Serve) -> Serve:
            async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await serve(reader, writer)
                except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                    pass
                finally:
                    writer.close()

            return one

        servers = [await asyncio.start_server(quietly(serve), "127.0.0.1", 0, backlog=500) for serve in served]
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]
        ctx = SimpleNamespace(settings=SimpleNamespace(rpc_urls=urls, rpc_timeout_seconds=10.0))
        try:
            await act(ctx)
        finally:
            await nodes.close()
            for server in servers:
                server.close()

    asyncio.run(run())


def chain_id(answers: nodes.Answers) -> int:
    return int(answers[0]["result"], 16)


def test_a_silent_node_takes_no_place_from_the_next() -> None:
    async def act(ctx: Any) -> None:
        questions = [nodes.first_answer(ctx, ASKED, chain_id, patience_seconds=2.0) for _ in range(150)]
        assert await asyncio.gather(*questions) == [1] * 150

    asking(act, silent, good)


def test_a_connection_that_ends_as_it_is_used_again_costs_no_answer() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer())
        await request_of(reader)  # takes the next question in, and leaves

    async def act(ctx: Any) -> None:
        assert [await nodes.first_answer(ctx, ASKED, chain_id) for _ in range(4)] == [1] * 4

    asking(act, once)


def test_what_is_no_answer_is_asked_of_the_next_node() -> None:
    odd = [b"[" * 5_000, b"{}", b"[1]", b'[{"id": 0}]', b'[{"id": 0, "result": 1}]', b"<html>", b"\xff", b"null"]

    async def strange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while odd:
            await request_of(reader)
            writer.write(answer(body=odd.pop()))

    async def act(ctx: Any) -> None:
        for _ in range(len(odd)):
            assert await nodes.first_answer(ctx, ASKED, chain_id) == 1
        assert not odd

    asking(act, strange, good)


def test_nothing_is_kept_of_a_node_but_its_answer() -> None:
    heads: list[bytes] = []

    async def generous(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await request_of(reader))
            writer.write(answer(headers=f"Set-Cookie: c{len(heads)}={'x' * 100}\r\n"))

    async def act(ctx: Any) -> None:
        for _ in range(3):
            await nodes.first_answer(ctx, ASKED, chain_id)
        assert len(heads) == 3
        assert not any(b"cookie" in head.lower() for head in heads)

    asking(act, generous)


def test_no_node_no_answer() -> None:
    async def act(ctx: Any) -> None:
        ctx.settings.rpc_urls = ["http://127.0.0.1:1"]
        assert await nodes.first_answer(ctx, ASKED, chain_id) is None

    asking(act)
