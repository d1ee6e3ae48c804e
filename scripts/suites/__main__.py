"""`python -m scripts.suites [NAME ...]`: run suites, print the budget table and `N passed, N failed`.

Without names every suite runs, four side by side; all of them, even after a failure. The first of them shows its
output as it comes, the others each runner's as a whole. What failed is then asked once more, alone (`again.py`).
Exit code 1 when anything failed or nothing ran.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from scripts.suites.again import ask_again, failed_tests
from scripts.suites.catalogue import LANES, SUITES
from scripts.suites.model import Counts
from scripts.suites.run import Outcome, queue_of, run_lane


def report(outcomes: Sequence[Outcome]) -> int:
    """Print the table, the runners' own summaries and the closing line; return the exit code."""
    total = sum((outcome.counts for outcome in outcomes), Counts())
    print(f"\n  {'suite':<14}{'seconds':>9}{'cpu':>9}{'budget':>9}{'passed':>9}{'failed':>9}{'skipped':>9}")
    for outcome in outcomes:
        counts, suite = outcome.counts, outcome.suite
        late = "  over budget" if outcome.seconds > suite.budget else ""
        numbers = f"{counts.passed:>9}{counts.failed:>9}{counts.skipped:>9}"
        print(f"  {suite.name:<14}{outcome.seconds:>9.1f}{outcome.processor:>9.1f}{suite.budget:>9}{numbers}{late}")
    processor = sum(outcome.processor for outcome in outcomes)
    print(f"  {'total':<14}{'':>9}{processor:>9.1f}{'':>9}{total.passed:>9}{total.failed:>9}{total.skipped:>9}\n")
    for outcome in outcomes:
        for line in outcome.summaries:
            print(line)
        for test in outcome.mended:
            print(f"{outcome.suite.name}: failed beside the others, passed alone: {test}")
        for runner in outcome.suite.runners:
            if runner.name in outcome.broken:
                print(f"{outcome.suite.name}: failed: {', '.join(failed_tests(runner)) or runner.name}")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not any(outcome.ran for outcome in outcomes) else 0


def main(arguments: Sequence[str]) -> int:
    """Run the named suites (all without names). Exits with code 2 for what is no suite, 0 after `--help`."""
    known = {suite.name: suite for suite in SUITES}
    parser = argparse.ArgumentParser(
        prog="python -m scripts.suites", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"a suite: {', '.join(known)}")
    names = parser.parse_args(arguments).names
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no suite named {', '.join(unknown)}; there are {', '.join(known)}")
    if names:
        return report(ask_again(run_lane(queue_of([known[name] for name in names]))))
    waiting = queue_of(SUITES)
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(run_lane, waiting, live=number == 0, alone=False) for number in range(LANES)]
    order = {suite.name: place for place, suite in enumerate(SUITES)}
    outcomes = [outcome for lane in lanes for outcome in lane.result()]
    return report(ask_again(sorted(outcomes, key=lambda outcome: order[outcome.suite.name])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
