"""Durable vouchers a second: ours, one and a hundred a request, beside the official x402 servers.

1,000 buyers with ten agents each; every voucher is signed beforehand and sent once, over kept connections. PostgreSQL,
the shards and the load generator share the machine's cores. Ours answers after the COMMIT (fsync on); the official
servers, of Python and of TypeScript, keep their channels in memory, their own default, filled beforehand as if every
channel had been deposited into.
"""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from scripts.bench import x402_python
from scripts.bench.results import Figure, record
from scripts.bench.servers import BenchError, database, postgres
from scripts.bench.voucherground import Ground, Lane, deployment
from scripts.bench.voucherload import Job
from scripts.devnet.ports import free_port

SHARDS: Final = 2
ROUNDS: Final = 3
BATCH: Final = 100
CONNECTIONS: Final = 256
BATCH_CONNECTIONS: Final = 16
PEER_CONNECTIONS: Final = 8
LOAD: Final = 0.7
PEERS: Final = {"x402 Python": "", "x402 npm": ".npm"}
"""The official servers, and what the names of figures beside them end in."""


@dataclass(slots=True)
class Side:
    """What is measured on our side: the ground, where the shards listen, and the order of the lanes."""

    ground: Ground
    port: int
    lanes: list[Lane] = field(default_factory=list)
    at: int = 0

    def singles(self, count: int) -> Job:
        """Return requests of one voucher each, all channels in turn."""
        contract = deployment().payment_channel
        requests: list[list[bytes]] = [[] for _ in range(SHARDS)]
        for _ in range(count):
            lane = self.lanes[self.at % len(self.lanes)]
            self.at += 1
            requests[lane.pool_id[0] % SHARDS].append(request(b"/vouchers", lane.next_voucher(contract)))
        return Job(self.ports, requests)

    def batches(self, count: int) -> Job:
        """Return requests of a hundred vouchers of one buyer to its ten agents."""
        contract = deployment().payment_channel
        requests: list[list[bytes]] = [[] for _ in range(SHARDS)]
        for number in range(count):
            lanes = self.ground.lanes[number % len(self.ground.lanes)]
            vouchers = [lanes[place % len(lanes)].next_voucher(contract) for place in range(BATCH)]
            requests[lanes[0].pool_id[0] % SHARDS].append(request(b"/vouchers/batch", {"vouchers": vouchers}))
        return Job(self.ports, requests, BATCH)

    @property
    def ports(self) -> list[int]:
        """The shards' ports."""
        return [self.port + shard for shard in range(SHARDS)]


def request(path: bytes, body: object) -> bytes:
    """Return a whole HTTP request."""
    encoded = msgspec.json.encode(body)
    head = b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (path, len(encoded)) + encoded


def load(job: Job, connections: int, rate: float = 0.0) -> dict[str, Any]:
    """Send a job from a process of its own. Raises BenchError when anything was refused."""
    command = [sys.executable, "-m", "scripts.bench.voucherload", "--connections", str(connections)]
    # not by a file: its pages would be on their way to the disk that the vouchers are made durable on
    done = subprocess.run(
        [*command, "--rate", str(rate)], input=msgspec.msgpack.encode(job), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"the load generator failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    if set(told["statuses"]) != {"200"} or told["refused"]:
        raise BenchError(f"not everything was taken: {told['statuses']} {told['refused']}")
    print(
        f"    {told['vouchers']:8,} vouchers {told['per_s']:9,.0f}/s  p50 {told['p50_ms']:.1f} ms, "
        f"p99 {told['p99_ms']:.1f} ms; the load generator took {told['cpu_us']:.0f} us of a core each",
        flush=True,
    )
    return told


@contextmanager
def ours(pools: int, agents: int) -> Iterator[Side]:
    """Run the shards on a database of their own."""
    with postgres() as server, database(server) as url, tempfile.TemporaryDirectory() as folder:
        ground = Ground(url, Path(folder))
        ground.prepare(pools, agents)
        port = free_port()
        settings = ground.environment(AICP_VOUCHER_PORT=str(port), AICP_VOUCHER_SHARDS=str(SHARDS))
        process = subprocess.Popen([sys.executable, "-m", "backend.vouchers"], env=settings, stdout=subprocess.DEVNULL)
        side = Side(ground, port, [lane for lanes in ground.lanes for lane in lanes])
        random.Random(1).shuffle(side.lanes)  # noqa: S311  # an order, not a secret
        try:
            for shard in side.ports:
                wait(f"http://127.0.0.1:{shard}/health", process)
            yield side
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def wait(url: str, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Wait until an address answers 200. Raises BenchError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{url} does not answer")
        time.sleep(0.1)


def compare(
    *, pools: int = 1_000, agents: int = 10, count: int = 40_000, peer_counts: tuple[int, int] = (2_000, 400)
) -> None:
    """Measure all sides in turns (ABC, CBA, ...) and record the medians."""
    found: dict[str, list[float]] = {"single": [], "batch": [], **{name: [] for name in PEERS}}
    with (
        ours(pools, agents) as side,
        x402_python.server(pools, agents, "python") as python,
        x402_python.server(pools, agents, "npm") as npm,
    ):
        peers = dict(zip(PEERS, zip((python, npm), peer_counts, strict=True), strict=True))
        load(side.singles(pools * agents), CONNECTIONS)  # every channel is met once, as after a start
        for turn in range(ROUNDS):
            for which in ("ours", *PEERS) if turn % 2 == 0 else (*reversed(PEERS), "ours"):
                print(f"  {which}, round {turn + 1}")
                side.ground.refresh()
                if which == "ours":
                    found["single"].append(load(side.singles(count), CONNECTIONS)["per_s"])
                    found["batch"].append(load(side.batches(count // BATCH), BATCH_CONNECTIONS)["per_s"])
                else:
                    peer, requests = peers[which]
                    found[which].append(load(peer.job(requests), PEER_CONNECTIONS)["per_s"])
        middle = {name: statistics.median(rates) for name, rates in found.items()}
        side.ground.refresh()
        calm = load(side.singles(count), CONNECTIONS, rate=middle["single"] * LOAD)
    for kind, name in (("single", "vouchers.single"), ("batch", "vouchers.batch100")):
        for peer_name, suffix in PEERS.items():
            mine, theirs = middle[kind], middle[peer_name]
            record(
                Figure(
                    f"{name}{suffix}.per_s",
                    round(mine),
                    "vouchers/s",
                    peer_name,
                    round(theirs),
                    round(mine / theirs, 1),
                )
            )
    record(Figure("vouchers.single.p99_ms", round(calm["p99_ms"], 1), "ms"))
