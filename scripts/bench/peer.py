"""Ponder on the same chain and the same PostgreSQL: one insert and one write of a row for every event."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx
from sqlalchemy import URL, create_engine, text

from aicp.rules.primitives import hex0x
from scripts.bench.chaindata import ChainData
from scripts.bench.mirror import Run, peak_memory
from scripts.bench.servers import CHAIN_ID, BenchError, stop
from scripts.devnet.ports import free_port
from scripts.suites.model import ROOT

PROJECT: Final = ROOT / "scripts" / "bench" / "ponder"
_BINARY: Final = PROJECT / "node_modules" / ".bin" / "ponder"
_TABLES: Final = ("escrow", "channel", "pool", "receiver", "balance", "activity")
_UNREAD: Final = 2
"""Events of the deployment itself, for which Ponder's project has no handler."""


def install() -> None:
    """Install the project's packages, as its lock file names them. Raises BenchError."""
    if _BINARY.exists():
        return
    # `npm ci` refuses a lock that leaves out what other platforms need; `install` takes what it names, hashes checked.
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise BenchError(f"Ponder could not be installed: {done.stderr.strip()}")


def version() -> str:
    """Return what Ponder says of itself."""
    done = subprocess.run([str(_BINARY), "--version"], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def backfill(data: ChainData, database: URL, folder: Path, *, seconds: float = 1_800.0) -> Run:
    """Let Ponder index the whole chain. Raises BenchError when it takes too long, ends, or misses an event."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database.set(drivername="postgresql").render_as_string(hide_password=False),
        "BENCH_RPC_URL": data.chain.url,
        "BENCH_CHAIN_ID": str(CHAIN_ID),
        "BENCH_ESCROW": hex0x(data.contracts.escrow),
        "BENCH_PAYMENT_CHANNEL": hex0x(data.contracts.payment_channel),
        "BENCH_START_BLOCK": str(data.first),
        "PONDER_TELEMETRY_DISABLED": "true",
    }
    command = [str(_BINARY), "--root", str(PROJECT), "--log-format", "json", "start", "--schema", "bench"]
    started = begun = time.perf_counter()
    log = folder / "ponder.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=output, stderr=output, cwd=PROJECT
        )
        try:
            begun = _wait(process, port, log, started + seconds)
            ended = time.perf_counter()
            peak = peak_memory(process.pid)
        finally:
            stop(process)
    return Run(data.events, ended - started, ended - begun, _checked(data, database), peak)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, deadline: float) -> float:
    """Return when it began to listen, which is when it begins to read the chain, once all is indexed."""
    begun = None
    with httpx.Client(timeout=5.0) as http:
        while True:
            try:
                ready = http.get(f"http://127.0.0.1:{port}/ready").status_code == 200
                begun = begun or time.perf_counter()
                if ready:
                    return begun
            except httpx.TransportError:
                pass  # not listening yet
            if process.poll() is not None:
                raise BenchError(f"Ponder ended with {process.returncode}: {log.read_text()[-2_000:]}")
            if time.perf_counter() > deadline:
                raise BenchError("Ponder did not finish in time")
            time.sleep(0.02)


def _checked(data: ChainData, database: URL) -> int:
    """Return how many rows Ponder wrote. Raises BenchError when an event is missing."""
    engine = create_engine(database)
    with engine.connect() as connection:
        counts = {
            name: int(connection.execute(text(f"SELECT count(*) FROM bench.{name}")).scalar_one())  # noqa: S608  # our own names
            for name in _TABLES
        }
    engine.dispose()
    if counts["activity"] != data.events - _UNREAD:
        raise BenchError(f"Ponder holds {counts['activity']} of {data.events - _UNREAD} events")
    return sum(counts.values())
