"""What mutants are compared with: the contracts as they are, and what their tests reach."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ethpm_types import ContractType

from scripts.abi.solidity import ROOT, enums_of
from scripts.prove.build import ProveError
from scripts.prove.mutants.compiler import Compiler
from scripts.prove.mutants.coverage import Coverage, Recorder, programs, united
from scripts.prove.mutants.forked import forked
from scripts.prove.mutants.harness import contract_type, contract_types, run_tests
from scripts.prove.mutants.inputs import Inputs
from scripts.prove.mutants.model import Mutant
from scripts.prove.mutants.operators import mutants_of
from scripts.prove.mutants.sample import TARGETS

_NEEDS_IR = "DisputeArbiter"
_ARTIFACTS = ROOT / "sdk" / "aicp" / "abi" / "artifacts"
_SECONDS = 3000


@dataclass(frozen=True, slots=True)
class Baseline:
    """The unchanged contracts, all mutants, and which tests reach what."""

    types: dict[str, ContractType]
    mutants: tuple[Mutant, ...]
    coverage: Coverage

    def creation(self, name: str) -> str:
        """Return the creation bytecode of a contract as hex without 0x."""
        code = self.types[name].deployment_bytecode
        return str(code.bytecode).removeprefix("0x") if code and code.bytecode else ""

    def abi(self, name: str) -> list[Any]:
        """Return the interface of a contract."""
        abi: list[Any] = self.types[name].model_dump(mode="json", by_alias=True)["abi"]
        return abi


def baseline(compiler: Compiler, folder: Path, inputs: Inputs) -> Baseline:
    """Compile the contracts, list the mutants, and run all tests once. Raises ProveError when a test fails."""
    entries = [name for name in compiler.sources if name.startswith("contracts/")]
    entries.remove(f"contracts/{_NEEDS_IR}.sol")  # the legacy pipeline finds its stack too deep
    answer = compiler.full(entries)
    types = contract_types(answer)
    document = json.loads((_ARTIFACTS / f"{_NEEDS_IR}.json").read_text(encoding="utf-8"))
    values = (document["abi"], document["bytecode"], document["runtime"])
    types[_NEEDS_IR] = contract_type(_NEEDS_IR, f"contracts/{_NEEDS_IR}.sol", *values)
    return Baseline(types, all_mutants(compiler, answer), _coverage(answer, types, folder, inputs))


def all_mutants(compiler: Compiler, answer: dict[str, Any]) -> tuple[Mutant, ...]:
    """Return the mutants of all target files."""
    enums: dict[str, tuple[str, ...]] = {}
    for source in answer["sources"].values():
        enums |= enums_of(source["ast"])
    found: list[Mutant] = []
    for file in (file for target in TARGETS for file in target.files):
        found += mutants_of(file, compiler.sources[file].encode(), answer["sources"][file]["ast"], enums)
    return tuple(found)


def _coverage(answer: dict[str, Any], types: dict[str, ContractType], folder: Path, inputs: Inputs) -> Coverage:
    """Return what every test reaches; files of tests that have not changed are not run again."""
    kept = folder / "coverage.pickle"
    known: dict[str, tuple[str, Coverage]] = pickle.loads(kept.read_bytes()) if kept.exists() else {}  # noqa: S301 - ours
    for file in inputs.files:
        digest = inputs.of_test(file)
        if file not in known or known[file][0] != digest:
            known[file] = (digest, _traced(answer, types, folder, file))
            kept.write_bytes(pickle.dumps(known))
            print(f"{file}: {len(known[file][1].seconds)} tests", flush=True)
    return united(known[file][1] for file in inputs.files)


def _traced(answer: dict[str, Any], types: dict[str, ContractType], folder: Path, file: str) -> Coverage:
    def work() -> tuple[str, Coverage]:
        recorder = Recorder(programs(answer))
        _, chosen = run_tests(types, [file], recorder)
        return chosen.failure.test if chosen.failure else "", recorder.coverage()

    log = folder / "logs" / f"{Path(file).stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    failed, coverage = forked(work, _SECONDS, log)
    if failed:
        raise ProveError(f"{failed} fails without any mutant; see {log}")
    return coverage
