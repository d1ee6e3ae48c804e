"""`python -m scripts.prove.invariants`: every invariant of the contracts names the tests that show it.

`docs/security/invariants.md` has one table row for each invariant: its number, its letters, what holds, its tests, and
what is owed. I asks for a stateful test, H for a stateful and a symbolic one, U for any test. Exit code 1 when a row
names a test that does not exist, when a kind is neither there nor owed, when something is owed that is there, and when
a number is missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.suites.model import ROOT

COUNT = 48
_DOCUMENT = ROOT / "docs" / "security" / "invariants.md"
_ROW = re.compile(
    r"^\| (?P<number>\d+) \| (?P<letters>[IHU](?: [IHU])*) \| [^|]+ \| (?P<tests>[^|]+) \| (?P<owed>[^|]*)\|$"
)
_NAME = re.compile(r"`([\w.*]+)`")
_PYTHON_TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
_SOLIDITY = re.compile(
    r"^contract (?P<contract>\w+)|^    function (?P<test>(?:test|invariant|check|after)\w*)\(", re.MULTILINE
)
_ENDS = ("does_what_the_model_says", "do_what_the_model_says")
_DEMANDS = {"I": ("stateful",), "H": ("stateful", "symbolic"), "U": ("unit",)}


@dataclass(frozen=True, slots=True)
class Row:
    """One invariant as the document has it."""

    number: int
    letters: tuple[str, ...]
    tests: tuple[str, ...]
    owed: tuple[str, ...]


def main() -> int:
    """Check the document; print what is wrong, and what is owed."""
    rows = rows_of(_DOCUMENT.read_text(encoding="utf-8"))
    problems = problems_of(rows, test_names(ROOT / "tests"))
    for problem in problems:
        print(problem)
    owed = sum(len(row.owed) for row in rows)
    print(f"invariants: {len(rows)} invariants, {owed} owed tests, {len(problems)} problems")
    return 1 if problems else 0


def rows_of(text: str) -> list[Row]:
    """Return the rows of all tables that begin with a number."""
    found = []
    for match in filter(None, map(_ROW.match, text.splitlines())):
        owed = tuple(kind for kind in ("stateful", "symbolic", "unit") if kind in match["owed"])
        tests = tuple(_NAME.findall(match["tests"]))
        found.append(Row(int(match["number"]), tuple(match["letters"].split()), tests, owed))
    return found


def test_names(folder: Path) -> frozenset[str]:
    """Return the names of all tests: `test_x` in Python, `Contract.test_x` in Solidity."""
    names: set[str] = set()
    for path in folder.glob("**/test_*.py"):
        names.update(_PYTHON_TEST.findall(path.read_text(encoding="utf-8")))
    for suite in ("forge", "halmos"):
        for path in folder.glob(f"{suite}/*.t.sol"):
            contract = ""
            for match in _SOLIDITY.finditer(path.read_text(encoding="utf-8")):
                contract = match["contract"] or contract
                names.update({f"{contract}.{match['test']}"} if match["test"] else set())
    return frozenset(names)


def kind_of(test: str) -> str:
    """Return `stateful`, `symbolic` or `unit`."""
    name = test.rpartition(".")[2]
    if name.startswith(("invariant", "after")) or name.endswith(_ENDS):
        return "stateful"
    contract = test.partition(".")[0]
    return "symbolic" if name.startswith("check") or (name == "*" and contract.endswith("Proofs")) else "unit"


def problems_of(rows: Iterable[Row], tests: Collection[str]) -> list[str]:
    """Return what is wrong with the rows: numbers, names, kinds, and debts that are paid."""
    rows = list(rows)
    problems = [] if [row.number for row in rows] == list(range(1, COUNT + 1)) else ["the numbers are not 1 to 48"]
    for row in rows:
        problems += [f"{row.number}: there is no test {test}" for test in row.tests if not _exists(test, tests)]
        kinds = {kind_of(test) for test in row.tests}
        # any test is one
        kinds |= {"unit"} if kinds else set()
        demanded = {kind for letter in row.letters for kind in _DEMANDS[letter]}
        problems += [f"{row.number}: no {kind} test" for kind in sorted(demanded - kinds - set(row.owed))]
        problems += [f"{row.number}: a {kind} test is owed and there" for kind in row.owed if kind in kinds]
    return problems


def _exists(test: str, tests: Collection[str]) -> bool:
    if test.endswith(".*"):
        return any(name.startswith(test[:-1]) for name in tests)
    return test in tests


if __name__ == "__main__":
    sys.exit(main())
