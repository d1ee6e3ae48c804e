"""Compiles contracts with some sources replaced, through one compiler that stays loaded.

Mutants are tested as the legacy pipeline translates them without optimizer: that takes a second instead of a minute,
and no optimizer hides a change. Such code is larger than a chain allows, so the chain of the tests allows more.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.abi.solidity import ROOT, imports_of, settings_of, sources_of
from scripts.prove.build import ProveError

_SERVER = Path(__file__).with_name("compiler.cjs")
_ALL = ("abi", "evm.bytecode.object", "evm.deployedBytecode")
_ATTEMPTS = 2
_COMPILES_PER_PROCESS = 60  # the compiler's memory only grows


class RefusedError(Exception):
    """The compiler refused; the message is the compiler's."""


class Compiler:
    """A running compiler over the sources of the checkout. Use as a context manager."""

    def __init__(self) -> None:
        self._settings = settings_of()
        self.sources = {name: source["content"] for name, source in sources_of(ROOT, self._settings).items()}
        self._imports: dict[str, frozenset[str]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._served = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._stop()

    def full(self, entries: Sequence[str]) -> dict[str, Any]:
        """Compile whole files; return the compiler's answer with syntax trees, interfaces, code and source maps."""
        selection = {"*": {"": ["ast"], "*": list(_ALL)}}
        return self._compile(self.closure(entries), {}, selection, optimize=False)

    def creation(
        self, entries: Sequence[str], changed: Mapping[str, str], *, optimize: bool = False
    ) -> dict[tuple[str, str], str]:
        """Return the creation bytecode of the contracts in `entries`; `changed` sources take the place of ours."""
        selection = {entry: {"*": ["evm.bytecode.object"]} for entry in entries}
        answer = self._compile(self.closure(entries), changed, selection, optimize=optimize)
        return {
            (file, name): contract["evm"]["bytecode"]["object"]
            for file, contracts in answer["contracts"].items()
            for name, contract in contracts.items()
        }

    def closure(self, entries: Sequence[str]) -> frozenset[str]:
        """Return files with everything they import."""
        found: set[str] = set()
        waiting = list(entries)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += imports_of(name, self.sources[name], self._settings)
        return frozenset(found)

    def _compile(
        self,
        names: frozenset[str],
        changed: Mapping[str, str],
        selection: Mapping[str, object],
        *,
        optimize: bool,
    ) -> dict[str, Any]:
        document = {
            "language": "Solidity",
            "sources": {name: {"content": changed.get(name, self.sources[name])} for name in sorted(names)},
            "settings": {
                "remappings": sorted(f"{prefix}={target}" for prefix, target in self._settings.remappings),
                "optimizer": {"enabled": optimize, "runs": self._settings.optimizer_runs},
                "evmVersion": self._settings.evm_version,
                "viaIR": False,
                "metadata": {"bytecodeHash": "none", "appendCBOR": False},
                "outputSelection": selection,
            },
        }
        answer: dict[str, Any] = json.loads(self._ask(json.dumps(document)))
        errors = [error["formattedMessage"] for error in answer.get("errors", ()) if error["severity"] == "error"]
        if errors:
            raise RefusedError("\n".join(errors))
        return answer

    def _ask(self, line: str) -> str:
        for _ in range(_ATTEMPTS):
            try:
                if answer := self._exchange(line):
                    return answer
            except BrokenPipeError:
                pass  # it has ended since the last question
            self._stop()
        raise ProveError("the compiler ends without an answer")

    def _exchange(self, line: str) -> str:
        if self._served == _COMPILES_PER_PROCESS:
            self._stop()
        if self._process is None:
            self._process = subprocess.Popen(
                ["node", str(_SERVER)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._served = 0
        self._served += 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
