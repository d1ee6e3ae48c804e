"""`python -m scripts.bench.voucherload`: sends prepared requests over kept connections and says how long it took.

Its standard input holds ports and, for each of them, whole requests as bytes; nothing is made or signed while time is
taken.
Without `--rate` every connection sends its next request when it has its answer. With it, requests leave at that pace
whatever comes back, and a delay counts from the moment a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter, deque
from functools import partial
from typing import Final, cast

import msgspec
import uvloop

TICK: Final = 0.001


class Job(msgspec.Struct):
    """What is sent where; `vouchers` is how many a request carries."""

    ports: list[int]
    requests: list[list[bytes]]
    vouchers: int = 1


class _Client(asyncio.Protocol):
    def __init__(self, load: _Load, target: int) -> None:
        self._load = load
        self.target = target
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def send(self, request: bytes, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = buffer
            return
        at = buffer.rfind(b"content-length: ", 0, head)
        if at < 0:
            at = buffer[:head].lower().rfind(b"content-length: ")
        end = head + 4 + int(buffer[at + 16 : buffer.find(b"\r\n", at)])
        if len(buffer) < end:
            self._buffer = buffer
            return
        self._buffer = b""
        self._load.answered(self, buffer[9:12], buffer[head + 4 : end], self._since)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._load.lost()


class _Load:
    def __init__(self, job: Job, rate: float) -> None:
        self._left = [deque(requests) for requests in job.requests]
        self._whole = sum(map(len, job.requests))
        self._idle: list[list[_Client]] = [[] for _ in job.ports]
        self._rate = rate
        self._due: list[deque[float]] = [deque() for _ in job.ports]
        self.delays: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.done = asyncio.get_running_loop().create_future()

    def ready(self, client: _Client) -> None:
        """Give a connection its next request, or let it wait for one."""
        left = self._left[client.target]
        due = self._due[client.target]
        if left and not self._rate:
            client.send(left.popleft(), time.perf_counter())
        elif due and left:
            client.send(left.popleft(), due.popleft())
        else:
            self._idle[client.target].append(client)

    def answered(self, client: _Client, status: bytes, body: bytes, since: float) -> None:
        self.delays.append(time.perf_counter() - since)
        self.statuses[status.decode()] += 1
        if b'"code":"' in body:
            self.refused.update(part.split(b'"', 1)[0].decode() for part in body.split(b'"code":"')[1:])
        if len(self.delays) == self._whole:
            self.done.set_result(None)
        else:
            self.ready(client)

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("a connection was closed before all was answered"))

    async def pace(self) -> None:
        """Send at the rate asked for, spread over the targets as their requests are."""
        started, sent = time.perf_counter(), 0
        order = deque(target for target, left in enumerate(self._left) for _ in left)
        order = deque(sorted(range(len(order)), key=_shuffled))
        targets = [target for target, left in enumerate(self._left) for _ in left]
        while order:
            await asyncio.sleep(TICK)
            wanted = int((time.perf_counter() - started) * self._rate)
            while sent < wanted and order:
                target = targets[order.popleft()]
                due = started + sent / self._rate
                sent += 1
                if self._idle[target]:
                    self._idle[target].pop().send(self._left[target].popleft(), due)
                else:
                    self._due[target].append(due)


def _shuffled(place: int) -> int:
    return place * 2_654_435_761 % 4_294_967_296


async def _run(job: Job, connections: int, rate: float) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    load = _Load(job, rate)
    clients: list[_Client] = []
    for number in range(connections):
        target = number % len(job.ports)
        made = partial(_Client, load, target)
        _, client = await loop.create_connection(made, "127.0.0.1", job.ports[target])
        clients.append(client)
    began, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    for client in clients:
        load.ready(client)
    pacing = asyncio.create_task(load.pace()) if rate else None
    await load.done
    seconds = time.perf_counter() - began
    if pacing is not None:
        await pacing
    after = resource.getrusage(resource.RUSAGE_SELF)
    delays = sorted(load.delays)
    vouchers = len(delays) * job.vouchers
    return {
        "vouchers": vouchers, "seconds": seconds, "per_s": vouchers / seconds,
        "p50_ms": delays[len(delays) // 2] * 1e3, "p99_ms": delays[int(len(delays) * 0.99)] * 1e3,
        "worst_ms": delays[-1] * 1e3, "statuses": dict(load.statuses), "refused": dict(load.refused),
        "cpu_us": (after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime) / vouchers * 1e6,
    }  # fmt: skip


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0)
    arguments = parser.parse_args()
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    json.dump(uvloop.run(_run(job, arguments.connections, arguments.rate)), sys.stdout)


if __name__ == "__main__":
    main()
