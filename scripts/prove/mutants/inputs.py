"""Digests of what coverage and results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.abi.solidity import ROOT

_TESTS = ROOT / "tests" / "contracts"

# Mutants are for unit tests: whoever compares bytecode sees every one of them, and models play at random.
_LEFT_OUT = ("test_bytecode.py", "test_model_channel.py", "test_model_escrow.py")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Digest of the contracts with their compiler, of what all tests share, and of every file of tests."""

    contracts: str
    shared: str
    files: Mapping[str, str]

    @property
    def everything(self) -> str:
        """Digest of all."""
        return _digest([self.contracts, self.shared, *(f"{name} {self.files[name]}" for name in sorted(self.files))])

    def of_test(self, test: str) -> str:
        """Digest of what a test, or a file of tests, depends on."""
        return _digest([self.contracts, self.shared, self.files[test.partition("::")[0]]])


def read_inputs() -> Inputs:
    """Read the checkout."""
    sources = [path for path in (ROOT / "contracts").rglob("*.sol") if ".cache" not in path.parts]
    files = sorted(_TESTS.glob("test_*.py"))
    tests = [path for path in files if path.name not in _LEFT_OUT]
    shared = sorted({*_TESTS.glob("*.py"), ROOT / "sdk" / "aicp" / "abi" / "typed_data.json"} - {*files})
    return Inputs(
        contracts=_of_files([*sorted(sources), ROOT / "package-lock.json", ROOT / "foundry.toml"]),
        shared=_of_files(shared),
        files={str(path.relative_to(ROOT)): _of_files([path]) for path in tests},
    )


def _of_files(paths: Iterable[Path]) -> str:
    return _digest(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
