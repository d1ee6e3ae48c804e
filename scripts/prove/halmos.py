"""`python -m scripts.prove.halmos [NAME ...]`: the symbolic tests in tests/halmos, with a table of what they proved.

Halmos deploys the committed bytecode (`build` proves it). A test passes when no path within its bounds reaches a false
assertion; a solver that ran out of time has proved nothing, so that fails as well. Names choose test contracts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.prove.build import OUT, PROVE, ProveError, artifact_runtime, build, committed, environment, tool, verify
from scripts.suites.model import ROOT

_REPORT = PROVE / "halmos.json"
_OVER_INTEGERS = ("ArithmeticProofs",)
_VERDICTS = {0: "proved", 1: "COUNTEREXAMPLE", 2: "NO ANSWER", 3: "STUCK", 4: "ALL PATHS REVERT"}


def main(names: Sequence[str]) -> int:
    """Build, run, check the bytecode once more, print the table."""
    build()
    chosen = names or sorted(path.name.partition(".")[0] for path in (ROOT / "tests" / "halmos").glob("*.t.sol"))
    integers = [name for name in chosen if name in _OVER_INTEGERS]
    words = [name for name in chosen if name not in _OVER_INTEGERS]
    entry = ROOT / "scripts" / "prove" / "cvc5_entry.py"
    lines: list[str] = []
    failed = 0
    for group, solver in (
        (integers, ("--solver-command", f"{tool('halmos', 'python')} {entry}")),
        (words, ("--solver", "yices")),
    ):
        if group:
            found, wrong = _run(group, solver)
            lines, failed = lines + found, failed + wrong
    verify((name, artifact_runtime(name)) for name in committed())
    print("\n".join(lines))
    print(f"halmos: {len(lines) - failed} passed, {failed} failed")
    return 1 if failed or not lines else 0


def _run(contracts: Sequence[str], solver: Sequence[str]) -> tuple[list[str], int]:
    _REPORT.unlink(missing_ok=True)
    command = [tool("halmos", "halmos"), "--forge-build-out", str(OUT.relative_to(ROOT)), "--no-status", *solver]
    command += ["--match-contract", f"^({'|'.join(contracts)})$", "--json-output", str(_REPORT)]
    found = environment()
    found["PATH"] = os.pathsep.join((str(PROVE / "halmos" / "bin"), found["PATH"]))
    found["FOUNDRY_LINT_LINT_ON_BUILD"] = "false"
    done = subprocess.run(
        command, cwd=ROOT, env=found, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if not _REPORT.exists():
        raise ProveError(f"halmos failed:\n{done.stdout}")
    lines, failed = summary(json.loads(_REPORT.read_text(encoding="utf-8")))
    if failed:
        print(done.stdout)
    return lines, failed


def summary(report: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return a line for every test, and how many tests did not prove what they say."""
    lines, failed = [], 0
    for contract, tests in sorted(report["test_results"].items()):
        for test in tests:
            verdict = _VERDICTS.get(test["exitcode"], "FAILED")
            bounded = test.get("num_bounded_loops") or 0
            seconds = (test.get("time") or [0])[0]
            failed += test["exitcode"] != 0
            name = test["name"].partition("(")[0]
            lines.append(
                f"  {contract.rpartition(':')[2]}.{name:<52} {verdict:<16} {seconds:6.1f} s"
                f"   paths {(test.get('num_paths') or [0])[0]}, loops cut {bounded}"
            )
    return lines, failed


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ProveError as problem:
        sys.exit(f"error: {problem}")
