"""Many stories of the indexer on several cores, and the summary of what they were made of."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import URL

from tests.fixtures.services import postgres_server
from tests.sim import crew
from tests.sim.anvil import AnvilStory, new_ground
from tests.sim.faults import KINDS
from tests.sim.sandbox import Sandbox
from tests.sim.scheduler import Report, Story


@dataclass(slots=True)
class Summary(crew.Summary):
    """What a campaign found; a kind of fault that never came is shown."""

    def sections(self) -> list[tuple[str, Mapping[str, int]]]:
        """Return the faults of the node by kind, and what else happened."""
        faults = {kind: self.happened[kind] for kind in KINDS}
        rest = {what: count for what, count in self.happened.items() if what not in faults}
        return [("faults of the node, by kind", faults), ("what else happened", rest)]


def tell(seed: int, sandbox: Sandbox, enabled: Sequence[str] = KINDS) -> Report | str:
    """Tell one story; return its report or what went wrong."""
    return crew.outcome_of(seed, Story(seed, sandbox, enabled=tuple(enabled)).run)


def campaign(postgres: URL, seeds: Sequence[int], *, workers: int, enabled: Sequence[str] = KINDS) -> Summary:
    """Tell these stories side by side; print each failure as it comes."""
    summary = Summary()
    crew.side_by_side(postgres, seeds, summary, Sandbox, partial(tell, enabled=enabled), workers=workers)
    return summary


def anvil_campaign(postgres: URL, seeds: Sequence[int]) -> Summary:
    """Tell stories on anvil one after the other; print each failure as it comes."""
    summary = Summary()
    ground = new_ground()
    crew.one_by_one(postgres, seeds, summary, lambda seed, url, folder: AnvilStory(seed, ground, url, folder).run())
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
    with postgres_server() as postgres:
        if chosen.anvil:
            summary = anvil_campaign(postgres, list(seeds))
        else:
            summary = campaign(postgres, list(seeds), workers=min(chosen.workers, len(seeds)), enabled=enabled)
    print(summary.text())
    if summary.failures:
        again = "tests/sim --anvil --seed N" if chosen.anvil else "make sim SEED=N"
        print(f"tell one again with: {again}", file=sys.stderr)
    return 1 if summary.failures else 0
