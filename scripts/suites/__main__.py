"""`python -m scripts.suites [NAME ...]`: run suites, print the budget table and `N passed, N failed`.

Without names every suite runs, four side by side; all of them, even after a failure. The first of them shows its
output as it comes, the others each runner's as a whole. Exit code 1 when anything failed or nothing ran.
"""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.suites.catalogue import BIN, LANES, NODE_BIN, SUITES
from scripts.suites.model import RESULTS, ROOT, Counts, Runner, Suite, summary_lines

NOTHING_COLLECTED = 5
"""Exit code of pytest when it found no test."""

_SCREEN = threading.Lock()
"""Held while text is written, so that two lanes never share a line."""


@dataclass(slots=True)
class Outcome:
    """What a suite did."""

    suite: Suite
    seconds: float = 0.0
    processor: float = 0.0
    """Seconds of processor time, of all cores together."""
    counts: Counts = field(default_factory=Counts)
    ran: int = 0
    live: bool = True
    """Show the output as it comes."""
    broken: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)


def environment(runner: Runner) -> dict[str, str]:
    """Return the environment of a runner: our tools first on PATH, the compiler where Ape looks for it."""
    path = os.pathsep.join((str(BIN), str(NODE_BIN), os.environ.get("PATH", os.defpath)))
    compiler = str(ROOT / "scripts" / "solc")
    found = {**os.environ, "PATH": path, "SOLCX_BINARY_PATH": compiler, "NO_COLOR": "1", **runner.env}
    if runner.counts is not None:
        found["PYTEST_DEBUG_TEMPROOT"] = str(_scratch(runner.name))
    return found


def _scratch(name: str) -> Path:
    """Return a folder for the temporary ones of one kind of tests.

    Whenever a run begins, pytest takes the folder above all its temporary ones back from other users; under root,
    PostgreSQL, which runs as one, may be writing there for the other lane.
    """
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"aicp-{os.getuid()}-{checkout}-{name}"
    folder.mkdir(exist_ok=True)
    return folder


def _say(text: str) -> None:
    with _SCREEN:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()


def run_lane(suites: queue.SimpleQueue[Suite], *, live: bool = True) -> list[Outcome]:
    """Run suites one after the other until none waits; lanes that share a queue share the work."""
    outcomes: list[Outcome] = []
    while True:
        try:
            suite = suites.get_nowait()
        except queue.Empty:
            return outcomes
        _say(f"== {suite.name}")
        outcomes.append(run_suite(suite, live=live))


def _queue(suites: Sequence[Suite]) -> queue.SimpleQueue[Suite]:
    waiting: queue.SimpleQueue[Suite] = queue.SimpleQueue()
    for suite in suites:
        waiting.put(suite)
    return waiting


def run_suite(suite: Suite, *, live: bool) -> Outcome:
    """Run every runner of a suite, whatever fails."""
    outcome = Outcome(suite, live=live)
    started = time.monotonic()
    for runner in suite.runners:
        missing = runner.missing()
        if missing is not None:
            _say(f"  {suite.name}: {runner.name} is skipped: nothing matches {missing} yet")
            continue
        _run(runner, outcome)
    outcome.seconds = time.monotonic() - started
    return outcome


def _run(runner: Runner, outcome: Outcome) -> None:
    RESULTS.mkdir(exist_ok=True)
    runner.report.unlink(missing_ok=True)
    started = time.monotonic()
    code, output, processor = _execute(runner, live=outcome.live)
    seconds = time.monotonic() - started
    outcome.processor += processor
    if code == NOTHING_COLLECTED and runner.counts is not None:
        _say(f"  {outcome.suite.name}: {runner.name} is skipped: it holds no tests yet")
        return
    outcome.ran += 1
    counts = runner.counts(runner.report, output) if runner.counts is not None else Counts()
    if code != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    outcome.counts += counts
    if code != 0 or counts.failed:
        outcome.broken.append(runner.name)
        if runner.quiet:
            _say(output)
    lines = summary_lines(output) if runner.counts is not None else []
    outcome.summaries += [f"{runner.name}: {line}" for line in lines]
    ending = "ok" if code == 0 else "FAILED"
    _say(f"  {runner.name:<34} {seconds:6.1f} s   {ending}   {processor:.1f} s of processor time")


def _execute(runner: Runner, *, live: bool) -> tuple[int, str, float]:
    """Run the command and show its output (unless quiet), as it comes when `live`.

    Returns its exit code, its output and the processor time of it and of what it waited for; servers that were told to
    go away later are not in it.
    """
    process = subprocess.Popen(
        runner.command,
        cwd=ROOT,
        env=environment(runner),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if live and not runner.quiet:
            _say(line)
    if not live and not runner.quiet:
        _say("".join(lines))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, "".join(lines), usage.ru_utime + usage.ru_stime


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
        if outcome.broken:
            print(f"{outcome.suite.name}: failed: {', '.join(outcome.broken)}")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not any(outcome.ran for outcome in outcomes) else 0


def main(names: Sequence[str]) -> int:
    """Run the named suites (all without names)."""
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"error: no suite named {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    if names:
        return report(run_lane(_queue([known[name] for name in names])))
    waiting = _queue(SUITES)
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(run_lane, waiting, live=number == 0) for number in range(LANES)]
    order = {suite.name: place for place, suite in enumerate(SUITES)}
    outcomes = [outcome for lane in lanes for outcome in lane.result()]
    return report(sorted(outcomes, key=lambda outcome: order[outcome.suite.name]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
