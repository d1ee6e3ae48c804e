"""Many stories of money on several cores, and the table of what went wrong in them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import URL

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
    """What a campaign found."""

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


def campaign(postgres: URL, seeds: Sequence[int], *, workers: int, steps: int = STEPS) -> Summary:
    """Tell these stories side by side; print each failure as it comes."""
    summary = Summary()
    crew.side_by_side(postgres, seeds, summary, MoneySandbox, partial(tell, steps=steps), workers=workers)
    return summary


def anvil_campaign(postgres: URL, seeds: Sequence[int]) -> Summary:
    """Tell stories on one anvil, one after the other; print each failure as it comes."""
    summary = Summary()
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
    chosen = parser.parse_args(arguments)
    seeds = [int(chosen.seed)] if chosen.seed is not None else range(chosen.first, chosen.first + chosen.count)
    with crew.server() as postgres:
        if chosen.anvil:
            summary = anvil_campaign(postgres, list(seeds))
        else:
            summary = campaign(postgres, list(seeds), workers=min(chosen.workers, len(seeds)), steps=chosen.steps)
    print(summary.text())
    if summary.failures:
        again = " --anvil" if chosen.anvil else ""
        print(f"tell one again with: python tests/sim/money{again} --seed N", file=sys.stderr)
    return 1 if summary.failures else 0
