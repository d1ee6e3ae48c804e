"""Which addresses the gateway calls, and which it never does."""

from __future__ import annotations

import asyncio
import gzip
import socket

import pytest

from backend.errors import Problem
from backend.x402 import upstream
from backend.x402.reasons import UpstreamFailed, UpstreamRefused
from backend.x402.upstream import Bounds

STRICT = Bounds(timeout_seconds=2.0, max_bytes=1000, allow_local=False)
LOCAL = Bounds(timeout_seconds=2.0, max_bytes=1000, allow_local=True)


def call(url: str, bounds: Bounds = STRICT) -> upstream.UpstreamAnswer:
    return asyncio.run(
        upstream.call(url, account=b"agent", method="GET", query="", headers={}, body=b"", bounds=bounds)
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/",
        "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/", "http://0.0.0.0/", "http://224.0.0.1/",
        "http://[fe80::1]/", "http://[fc00::1]/", "http://[fec0::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/",
        "http://[2002:7f00:1::]/", "http://255.255.255.255/", "http://240.0.0.1/", "ftp://example.com/",
        "file:///etc/passwd", "gopher://example.com/", "http:///nohost", "http://user:secret@example.com/",
        "http://example.com:99999/", "http://example.com:0/", "http://exa mple.com/", "http://example.com/\r\nX: y",
        "http://example.com/#part", "", "http://example.com/" + "x" * 3000,
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_before_it_is_resolved(url):
    with pytest.raises(UpstreamRefused):
        upstream.check_url(url, allow_local=False)
    with pytest.raises(UpstreamRefused):
        call(url)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["169.254.169.254"], ["fe80::1%eth0"]],
)
def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch, addresses):
    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    upstream.check_url("http://innocent.example/", allow_local=False)
    with pytest.raises(UpstreamRefused):
        call("http://innocent.example/")


@pytest.mark.parametrize("url", ["http://0x7f000001/", "http://2130706433/", "http://127.1/", "http://017700000001/"])
def test_other_spellings_of_this_machine_lead_nowhere(url):
    with pytest.raises(Problem) as refused:
        call(url)
    assert isinstance(refused.value, UpstreamRefused | UpstreamFailed)


def test_a_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that answers differently the second time is asked once only."""
    asked = []
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        asked.append(host)
        if host == "rebind.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def run() -> upstream.UpstreamAnswer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await upstream.call(
                f"http://rebind.example:{port}/a?b=1", account=b"agent", method="GET", query="c=2", headers={},
                body=b"", bounds=LOCAL,
            )  # fmt: skip

    answer = asyncio.run(run())
    assert (answer.status, answer.body, answer.media_type) == (200, b"ok", "application/octet-stream")
    assert asked.count("rebind.example") == 1
    assert heard[0].startswith(b"GET /a?b=1&c=2 HTTP/1.1")
    assert b"host: rebind.example" in heard[0].lower()


@pytest.mark.parametrize(
    ("declared", "passed"),
    [
        ("application/json; charset=utf-8", "application/json"), ("text/html", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"), ("image/svg+xml", "application/octet-stream"),
        ("text/plain", "text/plain; charset=utf-8"), ("", "application/octet-stream"),
    ],
)  # fmt: skip
def test_no_type_a_browser_would_run_is_passed_on(declared, passed):
    assert upstream.passed_type(declared) == passed


def answered_with(head: bytes, body: bytes) -> tuple[upstream.UpstreamAnswer | None, bytes]:
    """Return what a call makes of an answer (None where it fails), and what was asked."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def run() -> upstream.UpstreamAnswer | None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server:
            try:
                return await upstream.call(
                    url, account=b"agent", method="GET", query="", headers={}, body=b"", bounds=LOCAL
                )
            except UpstreamFailed:
                return None

    return asyncio.run(run()), heard[0].lower()


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate", "br"])
def test_a_compressed_answer_is_never_unpacked(coding):
    """What unpacks to gigabytes arrives in a few hundred bytes: its size is known only when it is too late."""
    answer, asked = answered_with(b"Content-Encoding: " + coding.encode() + b"\r\n", gzip.compress(b"small"))
    assert answer is None
    assert b"accept-encoding: identity" in asked


@pytest.mark.parametrize("head", [b"", b"Content-Encoding: identity\r\n"])
def test_a_plain_answer_is_passed_on(head):
    answer, _ = answered_with(head, b"plain")
    assert answer is not None
    assert answer.body == b"plain"
