"""Which test reaches which statement, learnt from traces of everything the tests send.

Every transaction and every call is traced twice: by instructions, and as a tree of calls, which tells whose code the
instructions are. What a fixture of more than one test does counts for every test. Code that creates contracts is not
recorded: a mutant that no test reaches is tested with all of them.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from web3 import HTTPProvider

from scripts.prove.mutants.model import Mutant, Span

_SHARED = ""
_INSTRUCTIONS = {"disableStorage": True, "disableMemory": True, "enableMemory": False, "disableStack": True}
_TREE = {"tracer": "callTracer"}


@dataclass(frozen=True, slots=True)
class Coverage:
    """Spans of the source that each test executes, sorted, and what each test takes in seconds."""

    spans: Mapping[str, Mapping[str, Sequence[Span]]]
    seconds: Mapping[str, float]

    def reaching(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute the mutant's statement, quickest first; all tests if there is none."""
        tests = [test for test, files in self.spans.items() if _touches(files.get(mutant.file, ()), mutant.statement)]
        return sorted(tests or self.seconds, key=lambda test: self.seconds[test])


def united(parts: Iterable[Coverage]) -> Coverage:
    """Return the coverage of all tests of some parts."""
    spans: dict[str, Mapping[str, Sequence[Span]]] = {}
    seconds: dict[str, float] = {}
    for part in parts:
        spans |= part.spans
        seconds |= part.seconds
    return Coverage(spans, seconds)


def _touches(spans: Sequence[Span], statement: Span) -> bool:
    start, end = statement
    for span in spans[bisect_left(spans, (start, start)) :]:
        if span[0] >= end:
            return False
        if span[1] <= end:
            return True
    return False


@dataclass(slots=True)
class Program:
    """Runtime code of a contract: how to know it, and the source of each of its instructions."""

    code: bytes
    holes: tuple[Span, ...]
    sources: Mapping[int, tuple[str, Span]]

    def is_at(self, code: bytes) -> bool:
        """True if this is the code, whatever the values of its immutables are."""
        return len(code) == len(self.code) and self._blank(code) == self._blank(self.code)

    def _blank(self, code: bytes) -> bytes:
        blank = bytearray(code)
        for start, end in self.holes:
            blank[start:end] = bytes(end - start)
        return bytes(blank)


def programs(answer: Mapping[str, Any]) -> list[Program]:
    """Return the programs of a compiler's answer; stand-ins for what others deploy are not ours."""
    names = {source["id"]: name for name, source in answer["sources"].items()}
    found = []
    for file, contracts in answer["contracts"].items():
        for contract in contracts.values() if not file.startswith("contracts/mocks/") else ():
            runtime = contract["evm"]["deployedBytecode"]
            code = bytes.fromhex(runtime["object"])
            if code:
                places = [p for places in runtime["immutableReferences"].values() for p in places]
                holes = tuple((place["start"], place["start"] + place["length"]) for place in places)
                found.append(Program(code, holes, dict(_sources(code, runtime["sourceMap"], names))))
    return found


def _sources(code: bytes, source_map: str, names: Mapping[int, str]) -> Iterator[tuple[int, tuple[str, Span]]]:
    """Yield program counter and source of every instruction that has one."""
    entry = ["0", "0", "-1"]
    position = 0
    for item in source_map.split(";"):
        parts = item.split(":")[:3]
        entry = [new or old for new, old in zip([*parts, "", "", ""], entry, strict=False)]
        start, length, file = (int(part) for part in entry)
        if file in names:
            yield position, (names[file], (start, start + length))
        opcode = code[position]
        position += 1 + (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)


@dataclass(slots=True, eq=False)  # pytest keeps plugins in sets
class Recorder:
    """A pytest plugin that traces what every test sends."""

    programs: Sequence[Program]
    covered: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    """(program, program counter) by test."""
    seconds: dict[str, float] = field(default_factory=dict)
    _test: str = _SHARED
    _shared_fixtures: int = 0
    _tracing: bool = False
    _known: dict[str, int | None] = field(default_factory=dict)

    def coverage(self) -> Coverage:
        """Return what was learnt."""
        shared = self.covered.pop(_SHARED, set())
        return Coverage(
            {test: self._spans(self.covered.get(test, set()) | shared) for test in self.seconds}, dict(self.seconds)
        )

    def _spans(self, steps: set[tuple[int, int]]) -> dict[str, list[Span]]:
        found: dict[str, set[Span]] = {}
        for program, counter in steps:
            source = self.programs[program].sources.get(counter)
            if source is not None and source[0].startswith("contracts/"):
                found.setdefault(source[0], set()).add(source[1])
        return {file: sorted(spans) for file, spans in found.items()}

    def pytest_sessionstart(self) -> None:
        """See every request to the chain."""
        request = HTTPProvider.make_request

        def make_request(provider: HTTPProvider, method: Any, params: Any) -> Any:
            answer = request(provider, method, params)
            if not self._tracing:
                self._tracing = True
                try:
                    self._trace(
                        lambda name, *arguments: request(provider, name, list(arguments)), method, params, answer
                    )
                finally:
                    self._tracing = False
            return answer

        HTTPProvider.make_request = make_request  # type: ignore[method-assign]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Count for this test."""
        self._test = item.nodeid
        self._known.clear()  # what the last test deployed is gone
        yield
        self._test = _SHARED

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        """Count for all tests while a fixture of more than one is made."""
        shared = fixturedef.scope != "function"
        self._shared_fixtures += shared
        yield
        self._shared_fixtures -= shared

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test takes."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def _trace(self, ask: Any, method: str, params: Any, answer: Any) -> None:
        if method in {"eth_sendTransaction", "eth_sendRawTransaction"} and "result" in answer:
            traced, arguments = "debug_traceTransaction", [answer["result"]]
            while ask("eth_getTransactionReceipt", answer["result"])["result"] is None:
                time.sleep(0.01)  # mining a large transaction takes longer than the answer
        elif method == "eth_call":
            traced, arguments = "debug_traceCall", [params[0], params[1] if len(params) > 1 else "latest"]
        else:
            return
        steps = ask(traced, *arguments, _INSTRUCTIONS)
        tree = ask(traced, *arguments, _TREE)
        if "result" not in steps or "result" not in tree:
            raise RuntimeError(f"no trace of {method}: {steps.get('error') or tree.get('error')}")
        test = _SHARED if self._shared_fixtures else self._test
        logs = steps["result"]["structLogs"]
        found = attributed(logs, tree["result"], lambda address: self._program(ask, address))
        self.covered.setdefault(test, set()).update(found)

    def _program(self, ask: Any, address: str) -> int | None:
        """Return which program is at an address; -1 for a program that is not ours, None if there is no code."""
        if self._known.get(address) is None:
            code = bytes.fromhex(ask("eth_getCode", address, "latest")["result"][2:])
            matching = (index for index, program in enumerate(self.programs) if program.is_at(code))
            self._known[address] = next(matching, -1) if code else None
        return self._known[address]


def attributed(steps: Sequence[Mapping[str, Any]], tree: Mapping[str, Any], program: Any) -> Iterator[tuple[int, int]]:
    """Yield (program, program counter) of every instruction in a known program.

    A frame is entered when the depth grows; which one it is follows from the order of the tree, where calls to accounts
    without code, which have no instructions, are left out.
    """
    frames = [(_program_of(tree, program), iter(_entered(tree, program)))]
    for step in steps:
        while step["depth"] < len(frames):
            frames.pop()
        if step["depth"] > len(frames):
            child = next(frames[-1][1])
            frames.append((_program_of(child, program), iter(_entered(child, program))))
        if frames[-1][0] >= 0:
            yield frames[-1][0], step["pc"]


def _entered(frame: Mapping[str, Any], program: Any) -> list[Mapping[str, Any]]:
    calls: list[Mapping[str, Any]] = frame.get("calls", [])
    return [call for call in calls if call["type"].startswith("CREATE") or program(call["to"]) is not None]


def _program_of(frame: Mapping[str, Any], program: Any) -> int:
    """Return the program of a frame, -1 for creation code and for programs that are not ours."""
    if frame["type"].startswith("CREATE") or frame.get("to") is None:
        return -1
    found = program(frame["to"])
    return -1 if found is None else int(found)
