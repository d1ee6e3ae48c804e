"""`python -m scripts.prove.mutants`: test the mutants and write the report. Exit code 1 when the score is too low.

list             name the mutants that would be tested
report           write the report again, after a survivor was explained
only <key>...    test these mutants now, whatever is known of them
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from scripts.abi.solidity import ROOT
from scripts.prove.build import ProveError
from scripts.prove.mutants import report
from scripts.prove.mutants.campaign import ENTRIES, FOLDER, Campaign, Journal, Outcome, Result
from scripts.prove.mutants.compiler import Compiler
from scripts.prove.mutants.inputs import read_inputs
from scripts.prove.mutants.model import Mutant
from scripts.prove.mutants.sample import ranked, target_of
from scripts.prove.mutants.world import all_mutants, baseline

# what every test needs, imported once and inherited by every forked process
_WARM = ("ape", "ape.api", "ape.pytest.fixtures", "ape_foundry", "ape_solidity", "ape_test", "pandas", "hypothesis")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what is asked for. Exits with code 2 for what nobody can ask for, 0 after `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prove.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command="test")
    commands = parser.add_subparsers(title="instead of testing all of them")
    for name in ("list", "report"):
        commands.add_parser(name).set_defaults(command=name)
    only = commands.add_parser("only")
    only.add_argument("keys", nargs="+", metavar="KEY")
    only.set_defaults(command="only")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; return the exit code."""
    asked = parse(arguments)
    if asked.command == "report":
        return 0 if report.write() else 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Compiler() as compiler:
        if asked.command == "list":
            return _list(compiler)
        for name in _WARM:
            importlib.import_module(name)
        inputs = read_inputs()
        base = baseline(compiler, FOLDER, inputs)
        campaign = Campaign(compiler, base, Journal.open(FOLDER / "results.jsonl", inputs))
        if asked.command == "only":
            for mutant in (mutant for mutant in base.mutants if mutant.key in asked.keys):
                campaign.journal.results.pop(mutant.key, None)
                _print(mutant, campaign.result(mutant), 0.0)
            return 0
        started = time.monotonic()
        tested = []
        for mutant, result in campaign.run(base.mutants):
            _print(mutant, result, time.monotonic() - started)
            tested.append((mutant, result))
        report.record(tested, base.mutants, _versions())
    return 0 if report.write() else 1


def _list(compiler: Compiler) -> int:
    answer = compiler.full(list(ENTRIES))
    mutants = all_mutants(compiler, answer)
    whole = [mutant for mutant in mutants if not target_of(mutant).sampled]
    for mutant in [*whole, *ranked(mutant for mutant in mutants if target_of(mutant).sampled)]:
        change = f"{mutant.original!r} -> {mutant.replacement!r}"
        print(f"{mutant.key} {mutant.file}:{mutant.line} {mutant.operator} {change}")
    return 0


def _print(mutant: Mutant, result: Result, seconds: float) -> None:
    where = f"{mutant.function} {mutant.operator}, line {mutant.line}"
    print(f"{seconds:6.0f} s  {result.outcome:17}  {mutant.key}  {where}", flush=True)
    if result.outcome is Outcome.SURVIVED:
        print(f"          {mutant.original!r} -> {mutant.replacement!r}", flush=True)


def _versions() -> dict[str, str]:
    solc = json.loads((ROOT / "node_modules" / "solc" / "package.json").read_text(encoding="utf-8"))["version"]
    anvil = subprocess.run(
        [str(ROOT / "node_modules" / ".bin" / "anvil"), "--version"], capture_output=True, text=True, check=True
    )
    return {
        "solc": solc,
        "eth-ape": version("eth-ape"),
        "pytest": version("pytest"),
        "anvil": anvil.stdout.split()[2].partition("-")[0],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # and so ends what it has started
    try:
        sys.exit(main(sys.argv[1:]))
    except ProveError as problem:
        sys.exit(f"error: {problem}")
