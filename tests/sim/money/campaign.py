"""Many stories of money on several cores, and the table of what went wrong in them."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tests.fixtures.services import create_database
from tests.sim.campaign import server
from tests.sim.db import Crash
from tests.sim.money.anvil import new_chain, told
from tests.sim.money.service import MoneySandbox
from tests.sim.money.stage import KINDS
from tests.sim.money.story import STEPS, Story
from tests.sim.scheduler import Failed, Report

_SECTIONS: Final = (
    ("crashes", ("crash",)),
    ("the database", ("connection_lost", "unanswered")),
    ("nodes and pools", (*KINDS, "node_", "send_", "mempool", "base_fee")),
    ("the chain", ("reorg", "finality")),
    ("time and processes", ("clock_step", "waited", "restart", "second_worker")),
    ("what was logged", ("logged",)),
    ("where workers passed", ("passed_",)),
    ("what became of calls", ("intent_",)),
)


@dataclass(slots=True)
class Summary:
    """What a campaign found."""

    stories: int = 0
    seconds: float = 0.0
    steps: int = 0
    blocks: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        """Count a story that ended well."""
        self.steps += report.steps
        self.blocks += report.blocks
        self.happened += report.happened

    def text(self) -> str:
        """Return the summary for people."""
        lines: list[str] = []
        left = dict(self.happened)
        for title, names in _SECTIONS:
            found = {what: count for what, count in left.items() if what.startswith(names)}
            left = {what: count for what, count in left.items() if what not in found}
            lines += [f"{title}:", *_counted(found)]
        rate = self.stories / self.seconds if self.seconds else 0.0
        failed = "".join(f" {seed}" for seed in sorted(self.failures))
        total = f"{self.stories} seeds in {self.seconds:.1f} s ({rate:.2f}/s), {self.steps} steps, {self.blocks} blocks"
        return "\n".join(
            [*lines, "what people and workers did:", *_counted(left), total, f"{len(self.failures)} failed{failed}"]
        )


def _counted(counts: dict[str, int]) -> list[str]:
    return [f"  {count:>8}  {what}" for what, count in sorted(counts.items())]


def tell(seed: int, sandbox: MoneySandbox, steps: int = STEPS) -> Report | str:
    """Tell one story; return its report or what went wrong."""
    try:
        return Story(seed, sandbox, steps=steps).run()
    except Failed as failure:
        cause = failure.__cause__
        where = "" if cause is None else "".join(traceback.format_tb(cause.__traceback__)[-6:])
        return f"{failure}\n{where}"
    except (Exception, Crash):  # noqa: BLE001  # a mistake of the story itself: the seeds after it are told all the same
        return f"seed {seed}: {traceback.format_exc()}"


@dataclass(frozen=True, slots=True)
class _Crew:
    postgres: URL
    todo: multiprocessing.Queue[int]
    results: multiprocessing.Queue[tuple[int, Report | str] | None]
    steps: int

    def work(self) -> None:
        """Tell stories until there are none left; a seed that fails leaves its database behind."""
        sandbox = MoneySandbox(create_database(self.postgres))
        while True:
            try:
                seed = self.todo.get(timeout=1.0)
            except queue.Empty:
                break
            outcome = tell(seed, sandbox, self.steps)
            self.results.put((seed, outcome))
            if isinstance(outcome, str):
                sandbox = MoneySandbox(create_database(self.postgres))
        sandbox.close()
        self.results.put(None)


def campaign(postgres: URL, seeds: Sequence[int], *, workers: int, steps: int = STEPS) -> Summary:
    """Tell these stories side by side; print each failure as it comes."""
    summary = Summary()
    context = multiprocessing.get_context("fork")
    crew = _Crew(postgres, context.Queue(), context.Queue(), steps)
    for seed in seeds:
        crew.todo.put(seed)
    started = time.monotonic()
    hired = [context.Process(target=crew.work, daemon=True) for _ in range(workers)]
    for process in hired:
        process.start()
    at_work = len(hired)
    while at_work:
        try:
            told = crew.results.get(timeout=5.0)
        except queue.Empty:
            if any(process.exitcode for process in hired):
                raise RuntimeError("a process of the campaign died") from None
            continue
        if told is None:
            at_work -= 1
            continue
        seed, outcome = told
        summary.stories += 1
        summary.seconds = time.monotonic() - started
        if isinstance(outcome, Report):
            summary.add(outcome)
        else:
            summary.failures[seed] = outcome
            print(f"FAILED {outcome}\n", flush=True)
    return summary


def anvil_campaign(postgres: URL, seeds: Sequence[int]) -> Summary:
    """Tell stories on one anvil, one after the other; print each failure as it comes."""
    summary = Summary()
    started = time.monotonic()
    chain = new_chain()
    with tempfile.TemporaryDirectory(prefix="aicp-money-") as folder:
        for seed in seeds:
            try:
                summary.add(told(seed, chain, create_database(postgres), Path(folder)))
            except Exception as failure:  # noqa: BLE001  # the seeds after it are told all the same
                summary.failures[seed] = "".join(traceback.format_exception(failure))
                print(f"FAILED seed {seed}: {summary.failures[seed]}\n", flush=True)
            summary.stories += 1
            summary.seconds = time.monotonic() - started
    chain.close()
    return summary


def main(arguments: Sequence[str]) -> int:
    """See `tests/sim/money/__main__.py`."""
    parser = argparse.ArgumentParser(
        prog="tests/sim/money", description="Random stories of money, checked by an oracle."
    )
    parser.add_argument("--seed", type=int, default=os.environ.get("SEED"), help="tell this story only")
    parser.add_argument("--first", type=int, default=1, help="first seed (default 1)")
    parser.add_argument("--count", type=int, default=100, help="how many stories")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of a story (default {STEPS})")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--anvil", action="store_true", help="on anvil, with a worker that is really killed")
    chosen = parser.parse_args(arguments)
    seeds = [int(chosen.seed)] if chosen.seed is not None else range(chosen.first, chosen.first + chosen.count)
    with server() as postgres:
        if chosen.anvil:
            summary = anvil_campaign(postgres, list(seeds))
        else:
            summary = campaign(postgres, list(seeds), workers=min(chosen.workers, len(seeds)), steps=chosen.steps)
    print(summary.text())
    if summary.failures:
        again = " --anvil" if chosen.anvil else ""
        print(f"tell one again with: python tests/sim/money{again} --seed N", file=sys.stderr)
    return 1 if summary.failures else 0
