"""Many stories of money on several cores, and the table of what went wrong in them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from tests.fixtures.services import postgres_server
from tests.sim import crew
from tests.sim.money.anvil import new_chain, told
from tests.sim.money.service import MoneySandbox
from tests.sim.money.stage import KINDS
from tests.sim.money.story import STEPS, Story
from tests.sim.scheduler import Report

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
class Summary(crew.Summary):
    """What a campaign found. `journal`: a line for every story, so that a campaign can go on where it was left."""

    journal: Path | None = None

    def told(self) -> set[int]:
        """Take in what the journal holds; return the seeds that are in it."""
        lines = [] if self.journal is None or not self.journal.exists() else self.journal.read_text().splitlines()
        found: set[int] = set()
        for line in map(json.loads, lines):
            found.add(line["seed"])
            self.stories += 1
            self.steps, self.blocks, self.logs = (
                self.steps + line["steps"], self.blocks + line["blocks"], self.logs + line["logs"]
            )  # fmt: skip
            self.happened.update(line["happened"])
            if line["failure"]:
                self.failures[line["seed"]] = line["failure"]
        return found

    def add(self, seed: int, outcome: Report | str, seconds: float) -> None:
        """Count a story, and write it down."""
        crew.Summary.add(self, seed, outcome, seconds)
        if self.journal is not None:
            report = outcome if isinstance(outcome, Report) else Report(seed)
            line = {
                "seed": seed, "seconds": round(seconds, 1), "failure": outcome if isinstance(outcome, str) else "",
                "steps": report.steps, "blocks": report.blocks, "logs": report.logs, "happened": report.happened,
            }  # fmt: skip
            with self.journal.open("a") as journal:
                journal.write(json.dumps(line) + "\n")

    def sections(self) -> list[tuple[str, Mapping[str, int]]]:
        """Return the faults by where they came from, then what people and workers did."""
        found: list[tuple[str, Mapping[str, int]]] = []
        left = dict(self.happened)
        for title, names in _SECTIONS:
            part = {what: count for what, count in left.items() if what.startswith(names)}
            left = {what: count for what, count in left.items() if what not in part}
            found.append((title, part))
        return [*found, ("what people and workers did", left)]


def tell(seed: int, sandbox: MoneySandbox, steps: int = STEPS) -> Report | str:
    """Tell one story; return its report or what went wrong."""
    return crew.outcome_of(seed, Story(seed, sandbox, steps=steps).run)


def campaign(
    postgres: URL, seeds: Sequence[int], *, workers: int, steps: int = STEPS, journal: Path | None = None
) -> Summary:
    """Tell these stories side by side, but those in the journal; print each failure as it comes."""
    summary = Summary(journal=journal)
    known = summary.told()
    seeds = [seed for seed in seeds if seed not in known]
    crew.side_by_side(postgres, seeds, summary, MoneySandbox, partial(tell, steps=steps), workers=workers)
    return summary


def anvil_campaign(postgres: URL, seeds: Sequence[int], *, journal: Path | None = None) -> Summary:
    """Tell stories on one anvil, one after the other, but those in the journal; print each failure as it comes."""
    summary = Summary(journal=journal)
    known = summary.told()
    seeds = [seed for seed in seeds if seed not in known]
    chain = new_chain()
    crew.one_by_one(postgres, seeds, summary, lambda seed, url, folder: told(seed, chain, url, folder))
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
    parser.add_argument("--journal", type=Path, help="write every story down here, and skip those that are")
    chosen = parser.parse_args(arguments)
    seeds = [int(chosen.seed)] if chosen.seed is not None else range(chosen.first, chosen.first + chosen.count)
    with postgres_server() as postgres:
        if chosen.anvil:
            summary = anvil_campaign(postgres, list(seeds), journal=chosen.journal)
        else:
            workers = min(chosen.workers, len(seeds))
            summary = campaign(postgres, list(seeds), workers=workers, steps=chosen.steps, journal=chosen.journal)
    print(summary.text())
    if summary.failures:
        again = " --anvil" if chosen.anvil else ""
        print(f"tell one again with: python tests/sim/money{again} --seed N", file=sys.stderr)
    return 1 if summary.failures else 0
