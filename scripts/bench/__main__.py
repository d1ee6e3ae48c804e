"""`python -m scripts.bench [PART ...]`: measure the service and write `.aicp/bench.json`.

backfill  our indexer and Ponder read the same chain into the same PostgreSQL, in turns (ABBA), medians of three
sizes     our indexer alone on 10^4, 10^5 and 10^6 events, in turns, medians: does the rate hold, does memory
latency   from mining a block to the notification of its rows
relayed   transactions a second through the transaction manager into anvil, over eight keys
costs     gas and dollars of an escrow's life, and of a micropayment by rows in a batch and payments in a row
vouchers  durable vouchers a second, one and a hundred a request, and the official x402 servers beside it
          (the Python package's and npm's)
growth    what a settlement round asks the database at 10, 1,000 and 100,000 open channels
breaker   how fast a call to an agent that rests is refused, in process and over HTTP
scheduler seconds to assign 10,000 tasks to 1,000 agents, and the share that completes while agents are killed
load      the whole stack under 100 users, 1,200 auctions an hour and 1,000 WebSockets: answers, and bids to the screen

The load generator, the node and PostgreSQL share the machine's cores with what is measured. Without a name all run.
`--events N` sets the size of the comparison, `--quick` takes small ones, `--packed` puts all events of a block into two
transactions, which is the least a reader can be given to do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from scripts.bench import breaker, costs, growth, load, mirror, peer, scheduler, settlement, vouchers
from scripts.bench.chaindata import ChainData
from scripts.bench.latency import head_latency
from scripts.bench.mirror import Run
from scripts.bench.results import FILE, Figure, read, record, table
from scripts.bench.servers import BenchError, anvil, database, postgres
from scripts.suites.model import ROOT

_PARTS: Final = (
    "backfill",
    "sizes",
    "latency",
    "relayed",
    "costs",
    "growth",
    "vouchers",
    "breaker",
    "scheduler",
    "load",
)
_LOAD: Final = ("seconds", "auctions_per_hour", "reads_per_s", "sockets")
"""Options that change the load."""
_SHORT_RUNS: Final = 3
"""How often a turn takes the smallest size, which is over in half a second."""
_ROUNDS: Final = 3
_SIZES: Final = (10_000, 100_000, 1_000_000)
_QUICK_SIZES: Final = (2_000, 20_000)
_RELAYED: Final = 3_000
_KEYS: Final = 8
_Reader = Callable[[ChainData, URL, Path], Run]


def main() -> int:
    """Return the exit code: 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part")
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--packed", action="store_true")
    for name in _LOAD:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=0.0)
    arguments = parser.parse_args()
    parts = arguments.parts or list(_PARTS)
    if unknown := set(parts) - set(_PARTS):
        parser.error(f"there is no part {min(unknown)!r}; choose from {', '.join(_PARTS)}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    try:
        for part in parts:
            _measures(part, arguments)
    except BenchError as error:
        print(f"The bench could not be finished: {error}", file=sys.stderr)
        return 1
    print(f"\n{table(read())}\n\nwritten to {FILE.relative_to(ROOT)}")
    return 0


def _measures(part: str, arguments: argparse.Namespace) -> None:
    quick: bool = arguments.quick
    takes: dict[str, Callable[[], None]] = {
        "backfill": lambda: _compare(20_000 if quick else arguments.events, packed=arguments.packed),
        "sizes": lambda: _sizes(_QUICK_SIZES if quick else _SIZES),
        "latency": _latency,
        "relayed": lambda: _relayed(600 if quick else _RELAYED),
        "vouchers": lambda: vouchers.compare(
            count=4_000 if quick else 40_000, peer_counts=(400, 100) if quick else (2_000, 400)
        ),
        "costs": _costs,
        "growth": _growth,
        "breaker": _breaker,
        "scheduler": lambda: record(*scheduler.measure(3_000 if quick else scheduler.CHAOS_TASKS)),
        "load": lambda: record(*load.measure(load.sized(vars(arguments), quick=quick))),
    }
    takes[part]()


def _compare(events: int, *, packed: bool) -> None:
    peer.install()
    ours: list[Run] = []
    theirs: list[Run] = []
    with anvil() as chain, postgres() as server:
        data = _filled(ChainData.on(chain, packed=packed), events)
        for turn in range(_ROUNDS):
            order: list[tuple[str, _Reader, list[Run]]] = [
                ("ours", mirror.backfill, ours), (f"Ponder {peer.version()}", peer.backfill, theirs),
            ]  # fmt: skip
            for name, reader, runs in order if turn % 2 == 0 else reversed(order):
                runs.append(_timed(name, reader, data, server))
    whole = (statistics.median(run.rate for run in runs) for runs in (ours, theirs))
    working = (statistics.median(run.working_rate for run in runs) for runs in (ours, theirs))
    name = "indexer.backfill.packed" if packed else "indexer.backfill"
    record(_beside(f"{name}.events_per_s", *whole), _beside(f"{name}.working_events_per_s", *working))


def _beside(name: str, ours: float, theirs: float) -> Figure:
    return Figure(name, round(ours), "events/s", "Ponder", round(theirs), round(ours / theirs, 2))


def _sizes(sizes: tuple[int, ...]) -> None:
    """Every size on a chain of its own, in turns: a machine that slows down meanwhile slows all of them."""
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    with ExitStack() as open_chains, postgres() as server:
        chains = {size: _filled(ChainData.on(open_chains.enter_context(anvil())), size) for size in sizes}
        for turn in range(_ROUNDS):
            for size in sizes if turn % 2 == 0 else reversed(sizes):
                for _ in range(_SHORT_RUNS if size == sizes[0] else 1):
                    runs[size].append(_timed(f"{size:,} events", mirror.backfill, chains[size], server))
    rates = {size: statistics.median(run.working_rate for run in found) for size, found in runs.items()}
    record(Figure("indexer.backfill.flatness", round(min(rates.values()) / max(rates.values()), 3), "lowest/highest"))
    for size, found in runs.items():
        record(
            Figure(f"indexer.backfill.{size}.events_per_s", round(rates[size]), "events/s"),
            Figure(f"indexer.backfill.{size}.peak_mb", round(max(run.peak_bytes for run in found) / 1e6), "MB"),
        )


def _latency() -> None:
    with anvil() as chain, postgres() as server, database(server) as url:
        data = _filled(ChainData.on(chain), 2_000)
        found = head_latency(data, url)
    print(f"head latency over {found.blocks} blocks: p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms, "
          f"worst {found.worst_ms:.1f} ms")  # fmt: skip
    record(
        Figure("indexer.head_latency.p50_ms", round(found.p50_ms, 1), "ms"),
        Figure("indexer.head_latency.p99_ms", round(found.p99_ms, 1), "ms"),
    )


def _costs() -> None:
    found = costs.batches()
    print(costs.table(found))
    record(*costs.figures(found))


def _growth() -> None:
    with postgres() as server:
        record(*growth.growth(lambda: database(server)))


def _breaker() -> None:
    with postgres() as server, database(server) as url:
        record(*breaker.measure(url))


def _relayed(transactions: int) -> None:
    """Calls that bring their gas limit, as claims do, and calls whose gas the node estimates, as people's do."""
    figures: list[Figure] = []
    for name, estimated in (("settlement.tx_per_s", False), ("settlement.estimated_tx_per_s", True)):
        runs = [settlement.relayed(transactions, _KEYS, estimated=estimated) for _ in range(_ROUNDS)]
        rates = sorted(round(run.per_second) for run in runs)
        print(f"  {name}: {rates} transactions/s over {_KEYS} keys, {transactions:,} each time", flush=True)
        figures.append(Figure(name, statistics.median(rates), f"tx/s, {_KEYS} keys"))
    record(*figures)


def _filled(data: ChainData, events: int) -> ChainData:
    data.fill(events)
    print(f"chain: {data.events:,} events in {data.last - data.first + 1:,} blocks")
    return data


def _timed(name: str, reader: _Reader, data: ChainData, server: URL) -> Run:
    with database(server) as url, tempfile.TemporaryDirectory() as folder:
        run = reader(data, url, Path(folder))
    print(
        f"  {name:16}{run.seconds:8.1f} s{run.rate:10,.0f} events/s ({run.working_rate:,.0f} once started)"
        f"{run.rows:12,} rows, peak {run.peak_bytes / 1e6:,.0f} MB",
        flush=True,
    )
    return run


if __name__ == "__main__":
    sys.exit(main())
