"""A second question, asked alone, to tests that failed while four suites shared two cores (ADR 0041).

A test of services waits for other processes and gives up at some point; beside three other suites on a slow hour that
point can come too early, which says nothing about the code. So what failed runs once more when nothing else does.
What fails again has failed. What passes is counted as passed and named in the report, every time, so that a test
whose wait is too short is known and mended. More than a few failures in one runner are no accident: none is asked
again. Linters, pages and the contracts' fuzz tests depend on no other process and are not asked twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from scripts.suites.model import Counts, Runner
from scripts.suites.run import Outcome, execute, say

MOST = 8
"""Failed tests of a runner up to which they are asked again."""


PASSED, FAILED = 0, 1
"""Exit codes of pytest when every test passed, and when some failed."""


def failed_tests(runner: Runner) -> list[str]:
    """Return the tests of which pytest remembers that they failed in the runner's last run."""
    memory = runner.cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(memory.read_text())) if memory.exists() else []


def ask_again(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """Run the tests that failed once more, one runner after the other, and correct what the outcomes count."""
    for outcome in outcomes:
        for runner in outcome.suite.runners:
            if runner.remembers and runner.name in outcome.broken:
                _ask(runner, outcome)
    return outcomes


def _ask(runner: Runner, outcome: Outcome) -> None:
    tests = failed_tests(runner)
    first = outcome.broken[runner.name]
    # a runner that died has failed in some other way than by its tests; one test may fail twice, at its end once more
    if not 0 < len(tests) <= first.failed <= MOST:
        return
    say(f"== {outcome.suite.name}: once more, alone: {', '.join(tests)}")
    report = runner.report.with_name(f"{runner.name}-again.xml")
    repeat = ("--last-failed", "--last-failed-no-failures=none", f"--junitxml={report}")
    started = time.monotonic()
    code, _, processor = execute(runner, (*runner.words(alone=outcome.alone), *repeat), live=True)
    outcome.seconds += time.monotonic() - started
    outcome.processor += processor
    if code not in {PASSED, FAILED}:
        return
    still = failed_tests(runner)
    mended = [test for test in tests if test not in still]
    outcome.mended += mended
    outcome.counts += Counts(passed=len(mended), failed=len(still) - first.failed)
    if code == PASSED and not still:
        del outcome.broken[runner.name]
