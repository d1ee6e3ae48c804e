"""What a runner and a suite are, and how a runner's own report becomes counts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "test-results"

_FORGE_SUMMARY = re.compile(r"Ran \d+ test suites?.*: (\d+) tests? passed, (\d+) failed, (\d+) skipped")
_PYTEST_SUMMARY = re.compile(r"^=* ?(?:no tests ran|\d+ (?:passed|failed|errors?|skipped|xfailed|deselected)\b.*) in ")
_VITEST_SUMMARY = re.compile(r"^\s*(?:Test Files|Tests) {2}")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests a runner ran, by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """One command. It is skipped, and says so, while nothing matches one of `needs` (globs from the root)."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    """Show the output only when it fails: a linter that is content has nothing to say."""
    counts: Callable[[Path, str], Counts] | None = None
    """Reads the tests' outcomes from the report file and the output; None when the command runs no tests."""
    alone: tuple[str, ...] = ()
    """More of the command where no other suite runs beside it, and both cores are its own."""
    remembers: bool = False
    """It is pytest, told to keep in `cache` which tests failed."""

    @property
    def report(self) -> Path:
        """Where the runner's JUnit report is."""
        return RESULTS / f"{self.name}.xml"

    @property
    def cache(self) -> Path:
        """The folder of pytest's cache."""
        return RESULTS / f"{self.name}.cache"

    def words(self, *, alone: bool) -> tuple[str, ...]:
        """Return the command as it runs beside other suites, or with both cores to itself."""
        return (*self.command, *self.alone) if alone else self.command

    def missing(self) -> str | None:
        """Return the first thing this runner needs that does not exist yet."""
        return next((need for need in self.needs if next(ROOT.glob(need), None) is None), None)


@dataclass(frozen=True, slots=True)
class Suite:
    """A target of the Makefile. `budget` is the seconds it may take on two cores."""

    name: str
    budget: int
    runners: tuple[Runner, ...]


def junit_counts(report: Path, _output: str) -> Counts:
    """Count from a JUnit file; a missing or broken one counts as nothing (the exit code decides then)."""
    if not report.exists():
        return Counts()
    try:
        root = ET.parse(report).getroot()  # noqa: S314  # written by our own runner a moment ago
    except ET.ParseError:
        return Counts()
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    total = Counts()
    for suite in suites:
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped") or 0)
        failed = int(suite.get("failures") or 0) + int(suite.get("errors") or 0)
        total += Counts(tests - skipped - failed, failed, skipped)
    return total


def forge_counts(_report: Path, output: str) -> Counts:
    """Count from forge's last summary line."""
    found = _FORGE_SUMMARY.findall(plain(output))
    return Counts(*(int(number) for number in found[-1])) if found else Counts()


def summary_lines(output: str) -> list[str]:
    """Return the lines in which the runner itself sums up."""
    lines = plain(output).splitlines()
    patterns = (_PYTEST_SUMMARY, _FORGE_SUMMARY, _VITEST_SUMMARY)
    return [line.strip() for line in lines if any(pattern.search(line) for pattern in patterns)]


def plain(output: str) -> str:
    """Remove terminal colours."""
    return _COLOURS.sub("", output)
