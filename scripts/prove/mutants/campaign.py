"""Tests mutants: compiles each, runs the tests that reach it until one fails, and writes down what happened.

Every result is appended to `.prove/mutants/results.jsonl` when it is known, with a digest of what it depends on, so a
campaign that is stopped goes on where it was, and after a new test only survivors are tested again.
"""

from __future__ import annotations

import json
import resource
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ethpm_types import ContractType

from scripts.prove.build import PROVE, ProveError
from scripts.prove.mutants.compiler import Compiler, RefusedError
from scripts.prove.mutants.forked import CrashedError, TimedOutError, forked
from scripts.prove.mutants.harness import Failure, contract_type, run_tests
from scripts.prove.mutants.inputs import Inputs
from scripts.prove.mutants.model import Mutant
from scripts.prove.mutants.sample import SAMPLE, ranked, target_of
from scripts.prove.mutants.world import Baseline

FOLDER = PROVE / "mutants"
ENTRIES = ("contracts/Escrow.sol", "contracts/EscrowExtension.sol", "contracts/PaymentChannel.sol")
_SECONDS = 180
_MEMORY = 6 << 30  # a mutant that loops until its gas is used up leaves a trace of gigabytes


class Outcome(StrEnum):
    """What became of a mutant."""

    WRONG_VALUE = "wrong value"
    MISSING_REVERT = "missing revert"
    UNEXPECTED_REVERT = "unexpected revert"
    NOT_DEPLOYED = "not deployed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    EQUIVALENT = "same bytecode"
    REFUSED = "does not compile"

    @property
    def counts(self) -> bool:
        """True if the mutant is one: it compiles, to other bytecode."""
        return self not in {Outcome.EQUIVALENT, Outcome.REFUSED}

    @property
    def killed(self) -> bool:
        """True if a test noticed."""
        return self.counts and self is not Outcome.SURVIVED


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant: the test that noticed, and how many ran."""

    key: str
    outcome: Outcome
    test: str = ""
    message: str = ""
    ran: int = 0


@dataclass(slots=True)
class Journal:
    """The results that still hold."""

    path: Path
    inputs: Inputs
    results: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, inputs: Inputs) -> Journal:
        """Read what is there for these contracts and tests."""
        journal = cls(path, inputs)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            values = json.loads(line)
            depends = values.pop("depends")
            result = Result(**{**values, "outcome": Outcome(values["outcome"])})
            if depends == journal.depends(result):
                journal.results[result.key] = result
        return journal

    def depends(self, result: Result) -> str:
        """Return a digest of what a result depends on.

        A kill needs the contracts and the file of the test, a survival all tests, a mutant that is none the contracts.
        """
        if not result.outcome.counts and not result.ran:
            return self.inputs.contracts
        return self.inputs.of_test(result.test) if result.test else self.inputs.everything

    def add(self, result: Result) -> None:
        """Write a result down."""
        self.results[result.key] = result
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"depends": self.depends(result), **asdict(result)}) + "\n")


@dataclass(slots=True)
class Campaign:
    """Tests mutants one after the other. `killers` are the tests that killed in a function, the last one first."""

    compiler: Compiler
    baseline: Baseline
    journal: Journal
    killers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _optimized: dict[tuple[str, ...], dict[tuple[str, str], str]] = field(default_factory=dict)

    def run(self, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Result]]:
        """Test all mutants of some files, and of the others as many by rank as make the sample full."""
        yield from ((mutant, self.result(mutant)) for mutant in mutants if not target_of(mutant).sampled)
        full = 0
        for mutant in ranked(mutant for mutant in mutants if target_of(mutant).sampled):
            if full == SAMPLE:
                return
            result = self.result(mutant)
            full += result.outcome.counts
            yield mutant, result

    def result(self, mutant: Mutant) -> Result:
        """Return what is known of a mutant, else test it."""
        if mutant.key not in self.journal.results:
            self.journal.add(self._test(mutant))
        return self.journal.results[mutant.key]

    def _test(self, mutant: Mutant) -> Result:
        entries = tuple(entry for entry in ENTRIES if mutant.file in self.compiler.closure([entry]))
        changed = {mutant.file: mutant.applied(self.compiler.sources[mutant.file].encode()).decode()}
        try:
            code = self.compiler.creation(entries, changed)
        except RefusedError as refusal:
            return Result(mutant.key, Outcome.REFUSED, message=str(refusal).partition("\n")[0])
        others = {
            name: contract_type(name, file, self.baseline.abi(name), creation, "")
            for (file, name), creation in code.items()
            if creation and creation != self.baseline.creation(name)
        }
        if not others:
            return Result(mutant.key, Outcome.EQUIVALENT)
        try:
            failure, ran = self._first_failure(mutant, {**self.baseline.types, **others})
        except TimedOutError:
            return Result(mutant.key, Outcome.TIMED_OUT)
        if failure is not None:
            self._remember(mutant, failure.test)
            return Result(mutant.key, outcome_of(failure), failure.test, failure.message, ran)
        if self._same_when_optimized(entries, changed):
            return Result(mutant.key, Outcome.EQUIVALENT, ran=ran)
        return Result(mutant.key, Outcome.SURVIVED, ran=ran)

    def _first_failure(self, mutant: Mutant, types: dict[str, ContractType]) -> tuple[Failure | None, int]:
        """Run the tests of a mutant; return the first failure and how many ran. Raises TimedOutError."""
        tests = self._ordered(mutant)
        log = FOLDER / "logs" / f"{mutant.key}.log"
        log.parent.mkdir(parents=True, exist_ok=True)

        def work() -> tuple[Failure | None, int]:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            code, chosen = run_tests(types, tests)
            if code not in {0, 1}:
                raise ProveError(f"pytest ended with {code}")
            return chosen.failure, chosen.ran

        try:
            return forked(work, _SECONDS + 5 * sum(self.baseline.coverage.seconds[test] for test in tests), log)
        except CrashedError as crash:
            raise ProveError(f"{mutant.key} could not be tested; {crash}") from crash

    def _ordered(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant, first those that have killed in its function."""
        tests = self.baseline.coverage.reaching(mutant)
        first = [test for test in self.killers[mutant.function] if test in tests]
        return [*first, *(test for test in tests if test not in first)]

    def _remember(self, mutant: Mutant, test: str) -> None:
        killers = self.killers[mutant.function]
        if test in killers:
            killers.remove(test)
        killers.insert(0, test)

    def _same_when_optimized(self, entries: tuple[str, ...], changed: dict[str, str]) -> bool:
        """True if the optimizer makes the same of both: then the change means nothing."""
        if entries not in self._optimized:
            self._optimized[entries] = self.compiler.creation(entries, {}, optimize=True)
        return self.compiler.creation(entries, changed, optimize=True) == self._optimized[entries]


def outcome_of(failure: Failure) -> Outcome:
    """Return in which way a test noticed."""
    if failure.phase == "setup":
        return Outcome.NOT_DEPLOYED
    if "did not revert" in failure.message or "DID NOT RAISE" in failure.message:
        return Outcome.MISSING_REVERT
    if failure.error in {"AssertionError", "Failed"}:
        return Outcome.WRONG_VALUE
    return Outcome.UNEXPECTED_REVERT


def tally(results: Iterable[Result]) -> dict[Outcome, int]:
    """Count results by outcome."""
    found: dict[Outcome, int] = defaultdict(int)
    for result in results:
        found[result.outcome] += 1
    return found
