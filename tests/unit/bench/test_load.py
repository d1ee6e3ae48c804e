"""The load is what its plan says, and its clients read what the service sends."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import msgspec

from scripts.bench.loadplan import AWARDED, Load, User, arrivals
from scripts.bench.loadwire import Socket

USERS = [User(key=bytes([n]) * 32, token="t") for n in range(1, 10)]
LOAD = Load(
    port=1, chain_id=31337, escrow=bytes(20), buyers=USERS[:3], agents=USERS[3:], seconds=3_600.0, warm_up=40.0,
    auctions_per_hour=1_200, bids=4, reads_per_s=2.0, sockets=9,
)  # fmt: skip


def test_the_plan_has_its_rates_and_every_auction_its_course() -> None:
    plan = arrivals(LOAD)
    assert plan == arrivals(LOAD)
    assert plan != arrivals(msgspec.structs.replace(LOAD, seed=2))
    assert [one.due for one in plan] == sorted(one.due for one in plan)
    kinds = Counter(one.kind for one in plan)
    assert 1_050 < kinds["submit"] < 1_350
    assert kinds["bid"] == 4 * kinds["submit"]
    assert kinds["award"] == kinds["submit"]
    assert 0.2 < kinds["withdraw"] / kinds["submit"] < 0.3
    assert 6_800 < kinds["read"] < 7_600
    first = [one for one in plan if one.auction == 0]
    assert [first[0].kind, first[-1].kind] == ["submit", "award"]
    assert first[-1].due == first[0].due + AWARDED
    bidders = [one.user for one in first if one.kind == "bid"]
    assert len(set(bidders)) == 4


def test_a_burst_leaves_when_it_is_due() -> None:
    """An open loop: the gaps between requests are those of chance, never those of answers."""
    reads = [one.due for one in arrivals(LOAD) if one.kind == "read"]
    gaps = sorted(after - before for before, after in itertools.pairwise(reads))
    assert gaps[0] < 0.005
    assert gaps[-1] > 2.0


class _Wire(asyncio.Transport):
    """Takes what a client writes."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True


def frame(kind: int, body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        return bytes((0x80 | kind, size)) + body
    if size < 65_536:
        return bytes((0x80 | kind, 126)) + size.to_bytes(2) + body
    return bytes((0x80 | kind, 127)) + size.to_bytes(8) + body


def test_a_socket_reads_frames_however_they_are_cut_and_answers_pings() -> None:
    told: list[bytes] = []
    lost: list[bool] = []
    texts = [b"{}", b"a" * 125, b"b" * 126, b"c" * 70_000]
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(frame(1, text) for text in texts) + frame(9, b"now")
    for size in (1, 7, 4_096, len(stream)):
        told.clear()
        wire, socket = _Wire(), Socket("/ws", 1, told.append, lambda: lost.append(True))
        socket.connection_made(wire)
        assert wire.sent.startswith(b"GET /ws HTTP/1.1\r\n")
        wire.sent = b""
        for at in range(0, len(stream), size):
            socket.data_received(stream[at : at + size])
        assert told == texts
        assert wire.sent == b"\x8a\x83" + bytes(4) + b"now"
    socket.data_received(frame(8, b""))
    assert wire.closed
    refused = Socket("/ws", 1, told.append, lambda: lost.append(True))
    wire = _Wire()
    refused.connection_made(wire)
    refused.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert wire.closed
