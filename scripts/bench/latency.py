"""How long after a block is mined its rows are committed and readers are told."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import URL

from scripts.bench import mirror
from scripts.bench.chaindata import ChainData
from scripts.bench.servers import BenchError

_WARM_UP: Final = 20
_PAUSE_SECONDS: Final = 0.03


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the request to mine a block of twenty events to the notification of its rows."""

    blocks: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


def head_latency(data: ChainData, database: URL, blocks: int = 500) -> Latency:
    """Mine one block after the other and listen. Raises BenchError when a block is not told of."""
    plain = database.set(drivername="postgresql").render_as_string(hide_password=False)
    with (
        psycopg.connect(plain, autocommit=True) as listener,
        tempfile.TemporaryDirectory() as folder,
        mirror.indexer(data, database, Path(folder)),
    ):
        listener.execute("LISTEN chain")
        _wait_for(listener, int(data.chain.rpc("eth_blockNumber"), 16), 60.0)
        taken: list[float] = []
        for _ in range(_WARM_UP + blocks):
            started = time.perf_counter()
            number = data.block()
            _wait_for(listener, number, 30.0)
            taken.append((time.perf_counter() - started) * 1_000)
            time.sleep(_PAUSE_SECONDS)
    measured = sorted(taken[_WARM_UP:])
    return Latency(blocks, _quantile(measured, 0.50), _quantile(measured, 0.99), measured[-1])


def _wait_for(listener: psycopg.Connection[tuple[object, ...]], number: int, seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while (left := deadline - time.perf_counter()) > 0:
        for notice in listener.notifies(timeout=left, stop_after=1):
            if int(notice.payload) >= number:
                return
    raise BenchError(f"nobody was told of block {number} within {seconds:g} s")


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
