"""Our indexer as a process of its own, from an empty database to the last event."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import ProgrammingError

from scripts.bench.chaindata import ChainData
from scripts.bench.servers import CHAIN_ID, BenchError, stop
from scripts.suites.model import ROOT

_POLL_SECONDS = 0.01
_POLLS_A_LOOK = 25


@dataclass(frozen=True, slots=True)
class Run:
    """What one reader of the chain needed, in seconds from its start to its last row; `rows` are without raw logs.

    `working_seconds` begin when it has connected and made its tables.
    """

    events: int
    seconds: float
    working_seconds: float
    rows: int
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Events a second, the start of the process counted in."""
        return self.events / self.seconds

    @property
    def working_rate(self) -> float:
        """Events a second once it works."""
        return self.events / self.working_seconds


def backfill(data: ChainData, database: URL, folder: Path, *, seconds: float = 900.0) -> Run:
    """Mirror the whole chain. Raises BenchError when that takes too long or the process ends."""
    engine = create_engine(database, isolation_level="AUTOCOMMIT")
    begun = None
    peaks: dict[int, int] = {}
    polls = 0
    started = time.perf_counter()
    with indexer(data, database, folder) as process, engine.connect() as connection:
        while (head := _head(connection)) < data.last:
            now = time.perf_counter()
            if head >= 0 and begun is None:
                begun = now
            if process.poll() is not None:
                raise BenchError(f"the indexer ended with {process.returncode}; see {folder / 'indexer.log'}")
            if now - started > seconds:
                raise BenchError(f"the indexer did not finish within {seconds:g} s")
            if (polls := polls + 1) % _POLLS_A_LOOK == 0:
                peaks.update(_memory_of_children(process.pid))
            time.sleep(_POLL_SECONDS)
        ended = time.perf_counter()
        peak = peak_memory(process.pid) + sum(peaks.values())
        rows = _checked(data, connection)
    engine.dispose()
    return Run(data.events, ended - started, ended - (begun or started), rows, peak)


@contextmanager
def indexer(data: ChainData, database: URL, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m indexer` on the chain; `settings` are more of its environment."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {
        **compiled,  # modules are compiled once and for all, as wherever a service is started a second time
        "AICP_INDEXER_DATABASE_URL": database.render_as_string(hide_password=False),
        "AICP_RPC_URLS": data.chain.url,
        "AICP_CHAIN_ID": str(CHAIN_ID),
        "AICP_DEPLOYMENT": str(data.write_deployment(folder)),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk'}",
        **settings,
    }
    with (folder / "indexer.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "indexer"], env=environment, stdout=output, stderr=output, cwd=ROOT
        )
        try:
            yield process
        finally:
            stop(process)


def peak_memory(pid: int) -> int:
    """Return the most memory a process ever held, in bytes; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    if not Path("/proc/self/status").exists():
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    try:
        told = status.read_text(encoding="ascii")
    except OSError:
        return 0
    lines = (line for line in told.splitlines() if line.startswith("VmHWM:"))
    return next((int(line.split()[1]) * 1024 for line in lines), 0)


def _memory_of_children(pid: int) -> dict[int, int]:
    """Return the most memory each process started by this one ever held, in bytes: what it shares counts as its own."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return {}
    return {int(child): found for child in children if (found := peak_memory(int(child)))}


def _head(connection: Connection) -> int:
    try:
        found = connection.execute(text("SELECT number FROM chain.cursor")).scalar_one_or_none()
    except ProgrammingError:  # not published yet
        return -1
    return -1 if found is None else int(found)


def _checked(data: ChainData, connection: Connection) -> int:
    """Return how many rows the projections hold. Raises BenchError when an event is missing."""
    tables = connection.execute(
        text("SELECT viewname FROM pg_views WHERE schemaname = 'chain' AND viewname NOT IN ('block', 'undo')")
    ).scalars()
    counts = {
        name: int(connection.execute(text(f"SELECT count(*) FROM chain.{name}")).scalar_one())  # noqa: S608  # names of our own views
        for name in tables.all()
    }
    if (held := counts.pop("log")) != data.events:
        raise BenchError(f"the mirror holds {held} of {data.events} events")
    return sum(counts.values())
