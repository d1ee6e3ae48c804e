"""Writes `snapshots/mutants.json` after a campaign, and `docs/security/mutation.md` from it and the explanations.

Why a survivor is no gap of the tests is written down by hand in `docs/security/survivors.toml`:

    ["4f0c2a91be77"]                    # key of the mutant, as the report names it
    equivalent = true                   # no input tells it from the original
    why = "..."
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.abi.solidity import ROOT
from scripts.prove.mutants.campaign import Outcome, Result
from scripts.prove.mutants.model import Mutant
from scripts.prove.mutants.sample import SAMPLE, SEED, TARGETS, target_of

RESULTS = ROOT / "snapshots" / "mutants.json"
REPORT = ROOT / "docs" / "security" / "mutation.md"
SURVIVORS = ROOT / "docs" / "security" / "survivors.toml"
WANTED = 0.9
_KILLS = tuple(outcome for outcome in Outcome if outcome.killed)


@dataclass(frozen=True, slots=True)
class Score:
    """Mutants of one line of the report."""

    name: str
    mutants: int
    killed: int
    argued: int
    """Survivors that are equivalent by argument."""

    @property
    def plain(self) -> float:
        """Killed of all, survivors that are equivalent by argument counted as survivors."""
        return self.killed / self.mutants

    @property
    def argued_score(self) -> float:
        """Killed of those that can be."""
        return self.killed / (self.mutants - self.argued)


def record(tested: Iterable[tuple[Mutant, Result]], population: Sequence[Mutant], versions: dict[str, str]) -> None:
    """Write the machine-readable results."""
    rows = [
        {
            "key": mutant.key,
            "target": target_of(mutant).name,
            "file": mutant.file,
            "line": mutant.line,
            "function": mutant.function,
            "operator": mutant.operator,
            "original": mutant.original,
            "replacement": mutant.replacement,
            "outcome": str(result.outcome),
            "test": result.test,
        }
        for mutant, result in sorted(tested, key=lambda pair: (pair[0].file, pair[0].span, pair[0].replacement))
    ]
    counts = {target.name: sum(target_of(mutant) is target for mutant in population) for target in TARGETS}
    document = {"versions": versions, "seed": SEED, "sample": SAMPLE, "population": counts, "mutants": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def scores(rows: Sequence[dict[str, Any]], arguments: dict[str, Any]) -> list[Score]:
    """Return the score of every target, and of all together at the end."""
    found = []
    for name in [target.name for target in TARGETS] + ["all"]:
        counted = [row for row in rows if name in {row["target"], "all"} and Outcome(row["outcome"]).counts]
        survivors = [row["key"] for row in counted if row["outcome"] == Outcome.SURVIVED]
        argued = sum(bool(arguments.get(key, {}).get("equivalent")) for key in survivors)
        found.append(Score(name, len(counted), len(counted) - len(survivors), argued))
    return found


def write() -> bool:
    """Write the report; return whether every survivor is explained and the score is what is wanted."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = document["mutants"]
    arguments = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")) if SURVIVORS.exists() else {}
    survivors = [row for row in rows if row["outcome"] == Outcome.SURVIVED]
    unexplained = [row for row in survivors if row["key"] not in arguments]
    stale = sorted(set(arguments) - {row["key"] for row in survivors})
    found = scores(rows, arguments)
    REPORT.write_text(_page(document, rows, found, survivors, arguments), encoding="utf-8")
    for row in unexplained:
        print(f"UNEXPLAINED {_title(row)}\n            {row['original']!r} -> {row['replacement']!r}")
    for key in stale:
        print(f"STALE       {key} is explained but did not survive")
    for score in found:
        print(f"{score.name}: {score.killed} of {score.mutants} killed, {score.plain:.1%} ({score.argued_score:.1%})")
    return not unexplained and not stale and all(score.plain >= WANTED for score in found)


def _page(
    document: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    found: Sequence[Score],
    survivors: Sequence[dict[str, Any]],
    arguments: dict[str, Any],
) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    head = _HEAD.format(versions=versions, seed=document["seed"], sample=document["sample"], wanted=f"{WANTED:.0%}")
    lines = [head, *_table(document, rows, found), "", "## Survivors", ""]
    if not survivors:
        lines.append("None.")
    for row in survivors:
        argument = arguments.get(row["key"], {})
        kind = "equivalent" if argument.get("equivalent") else "not equivalent"
        lines += [
            f"- `{row['key']}` {_title(row)} ({kind}):",
            f"  `{_one_line(row['original'])}` becomes `{_one_line(row['replacement']) or ' '}`.",
            f"  {argument.get('why', 'Not explained yet.')}",
        ]
    lines += ["", "## The same bytecode", "", "These changes are no mutants; the compiler makes the same of both.", ""]
    for row in rows:
        if row["outcome"] == Outcome.EQUIVALENT:
            lines.append(f"- {_title(row)}: `{_one_line(row['original'])}` becomes `{_one_line(row['replacement'])}`")
    return "\n".join(lines) + "\n"


def _table(document: dict[str, Any], rows: Sequence[dict[str, Any]], found: Sequence[Score]) -> list[str]:
    names = ("", "in the source", "tested", *_KILLS, "survived", "of these equivalent", "same bytecode", "score", "*")
    lines = [f"| {' | '.join(names)} |", "|---" + "|--:" * (len(names) - 1) + "|"]
    for score in found:
        mine = [row for row in rows if score.name in {row["target"], "all"}]
        population = document["population"].get(score.name, sum(document["population"].values()))
        cells = [score.name, population, score.mutants]
        cells += [sum(row["outcome"] == kill for row in mine) for kill in _KILLS]
        cells += [score.mutants - score.killed, score.argued]
        cells += [sum(row["outcome"] == Outcome.EQUIVALENT for row in mine)]
        cells += [f"{score.plain:.1%}", f"{score.argued_score:.1%}"]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return [*lines, "", "\\* without the survivors that are equivalent by the argument given below"]


def _title(row: dict[str, Any]) -> str:
    return f"{row['operator']} in {row['function']}, {row['file'].removeprefix('contracts/')}:{row['line']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_HEAD = """# Mutation testing of the contracts

Written by `make mutants` (`python -m scripts.prove.mutants`); the results one by one are in `snapshots/mutants.json`.

A mutant is one small change of the source. It is killed when a unit test (`tests/contracts`; no invariant, no fuzz
test) fails on the changed contracts, and survives when all pass. At least {wanted} must be killed.

- Tools: {versions}.
- Code under test: IR pipeline and optimizer off, so nothing hides a change; a survivor whose bytecode the optimizer
  makes equal to the original's is no mutant and not counted.
- Mutants: read off the compiler's syntax tree by the operators of `scripts/prove/mutants/operators.py` and `yul.py`
  (assembly), which change more than those of `slither-mutate` and leave out its replacement of lines by `revert()`,
  as any test that reaches a line kills that.
- FeeMath and SignatureLib: all mutants. Escrow (both bodies, abstracts, libraries) and PaymentChannel: the first
  {sample} by SHA-256 of the seed `{seed}` and the mutant, whatever else is in the files.
- Tests of a mutant: those that execute the changed statement, by traces of the whole suite; all if none does.
"""
