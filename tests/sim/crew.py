"""What every campaign of stories needs: workers side by side, a server of their own, and the sum of what happened."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import tempfile
import time
import traceback
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog
from sqlalchemy import URL

from tests.fixtures.services import create_database
from tests.sim.db import Crash
from tests.sim.scheduler import Failed, Report


class Closable(Protocol):
    """Where a worker tells its stories, on a database of its own."""

    def close(self) -> None: ...


S = TypeVar("S", bound=Closable)


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

    @abstractmethod
    def sections(self) -> list[tuple[str, Mapping[str, int]]]:
        """Return what happened, under the titles to tell it by."""

    def add(self, seed: int, outcome: Report | str, seconds: float) -> None:
        """Count a story; print it where it failed."""
        self.stories += 1
        self.seconds = seconds
        if isinstance(outcome, Report):
            self.steps += outcome.steps
            self.blocks += outcome.blocks
            self.logs += outcome.logs
            self.happened += outcome.happened
        else:
            self.failures[seed] = outcome
            print(f"FAILED {outcome}\n", flush=True)

    def text(self) -> str:
        """Return the summary for people."""
        rate = self.stories / self.seconds if self.seconds else 0.0
        lines: list[str] = []
        for title, counts in self.sections():
            lines += [f"{title}:", *(f"  {count:>8}  {what}" for what, count in sorted(counts.items()))]
        return "\n".join(
            [
                *lines,
                (
                    f"{self.stories} seeds in {self.seconds:.1f} s ({rate:.2f}/s), {self.steps} steps, "
                    f"{self.blocks} blocks, {self.logs} logs on the final branches"
                ),
                f"{len(self.failures)} failed{''.join(f' {seed}' for seed in sorted(self.failures))}",
            ]
        )


def quiet() -> None:
    """Let the log say nothing: a story has many thousand lines of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def outcome_of(seed: int, run: Callable[[], Report]) -> Report | str:
    """Tell one story; return its report or what went wrong."""
    try:
        return run()
    except Failed as failure:
        cause = failure.__cause__
        where = "" if cause is None else "".join(traceback.format_tb(cause.__traceback__)[-6:])
        return f"{failure}\n{where}"
    except (Exception, Crash):  # noqa: BLE001  # a mistake of the story itself: the seeds after it are told all the same
        return f"seed {seed}: {traceback.format_exc()}"


@dataclass(frozen=True, slots=True)
class _Crew(Generic[S]):
    """What the workers share. A seed that fails leaves its database behind, with all that may be open there."""

    postgres: URL
    todo: multiprocessing.Queue[int]
    results: multiprocessing.Queue[tuple[int, int | None, Report | str | None]]
    """(worker, seed, outcome): no outcome when it begins, no seed when the worker has nothing left to do."""
    opened: Callable[[str], S]
    tell: Callable[[int, S], Report | str]

    def work(self, worker: int) -> None:
        """Tell stories until there are none left."""
        quiet()
        sandbox = self.opened(create_database(self.postgres))
        while True:
            try:
                seed = self.todo.get(timeout=1.0)
            except queue.Empty:
                break
            self.results.put((worker, seed, None))
            outcome = self.tell(seed, sandbox)
            self.results.put((worker, seed, outcome))
            if isinstance(outcome, str):
                sandbox = self.opened(create_database(self.postgres))
        sandbox.close()
        self.results.put((worker, None, None))


def side_by_side(
    postgres: URL, seeds: Sequence[int], summary: Summary, opened: Callable[[str], S],
    tell: Callable[[int, S], Report | str], *, workers: int,
) -> None:  # fmt: skip
    """Tell stories in several processes. A worker that dies is replaced, and its story has failed."""
    context = multiprocessing.get_context("fork")
    crew = _Crew(postgres, context.Queue(), context.Queue(), opened, tell)
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
        summary.add(seed, outcome, time.monotonic() - started)

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


def one_by_one(postgres: URL, seeds: Sequence[int], summary: Summary, tell: Callable[[int, str, Path], Report]) -> None:
    """Tell stories one after the other, each on a database of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aicp-sim-") as folder:
        for seed in seeds:
            try:
                outcome: Report | str = tell(seed, create_database(postgres), Path(folder))
            except Exception as failure:  # noqa: BLE001  # the seeds after it are told all the same
                outcome = f"seed {seed}: {''.join(traceback.format_exception(failure))}"
            summary.add(seed, outcome, time.monotonic() - started)
