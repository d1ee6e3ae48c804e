"""Runs runners and suites, shows what they print, and keeps what they did."""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.suites.catalogue import BIN, NODE_BIN
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
    alone: bool = True
    """No other suite runs beside it."""
    broken: dict[str, Counts] = field(default_factory=dict)
    """The runners that failed, and what they counted."""
    mended: list[str] = field(default_factory=list)
    """The tests that failed beside the others and passed alone."""
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


def say(text: str) -> None:
    """Write a text whole, whichever lane it comes from."""
    with _SCREEN:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()


def run_lane(suites: queue.SimpleQueue[Suite], *, live: bool = True, alone: bool = True) -> list[Outcome]:
    """Run suites one after the other until none waits; lanes that share a queue share the work."""
    outcomes: list[Outcome] = []
    while True:
        try:
            suite = suites.get_nowait()
        except queue.Empty:
            return outcomes
        say(f"== {suite.name}")
        outcomes.append(run_suite(suite, live=live, alone=alone))


def queue_of(suites: Sequence[Suite]) -> queue.SimpleQueue[Suite]:
    """Return what lanes take their suites from."""
    waiting: queue.SimpleQueue[Suite] = queue.SimpleQueue()
    for suite in suites:
        waiting.put(suite)
    return waiting


def run_suite(suite: Suite, *, live: bool, alone: bool = True) -> Outcome:
    """Run every runner of a suite, whatever fails."""
    outcome = Outcome(suite, live=live, alone=alone)
    started = time.monotonic()
    for runner in suite.runners:
        missing = runner.missing()
        if missing is not None:
            say(f"  {suite.name}: {runner.name} is skipped: nothing matches {missing} yet")
            continue
        _run(runner, outcome)
    outcome.seconds = time.monotonic() - started
    return outcome


def _run(runner: Runner, outcome: Outcome) -> None:
    RESULTS.mkdir(exist_ok=True)
    runner.report.unlink(missing_ok=True)
    shutil.rmtree(runner.cache, ignore_errors=True)
    started = time.monotonic()
    code, output, processor = execute(runner, runner.words(alone=outcome.alone), live=outcome.live)
    seconds = time.monotonic() - started
    outcome.processor += processor
    if code == NOTHING_COLLECTED and runner.counts is not None:
        say(f"  {outcome.suite.name}: {runner.name} is skipped: it holds no tests yet")
        return
    outcome.ran += 1
    counts = runner.counts(runner.report, output) if runner.counts is not None else Counts()
    if code != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    outcome.counts += counts
    if code != 0 or counts.failed:
        outcome.broken[runner.name] = counts
        if runner.quiet:
            say(output)
    lines = summary_lines(output) if runner.counts is not None else []
    outcome.summaries += [f"{runner.name}: {line}" for line in lines]
    ending = "ok" if code == 0 else "FAILED"
    say(f"  {runner.name:<34} {seconds:6.1f} s   {ending}   {processor:.1f} s of processor time")


def execute(runner: Runner, command: Sequence[str], *, live: bool) -> tuple[int, str, float]:
    """Run a command of the runner and show its output (unless quiet), as it comes when `live`.

    Returns its exit code, its output and the processor time of it and of what it waited for; servers that were told to
    go away later are not in it.
    """
    process = subprocess.Popen(
        command,
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
            say(line)
    if not live and not runner.quiet:
        say("".join(lines))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, "".join(lines), usage.ru_utime + usage.ru_stime
