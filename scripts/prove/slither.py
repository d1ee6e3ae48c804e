"""`python -m scripts.prove.slither`: static analysis; every finding must be explained in docs/security/slither.md.

A finding is named by its detector and by what it is about, without line numbers, so that moving code explains nothing
anew. Exit code 1 on a finding without an explanation, and on an explanation without a finding.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from scripts.prove.build import INFO, PROVE, ProveError, build, committed, environment, tool, verify
from scripts.suites.model import ROOT

EXPLANATIONS = ROOT / "docs" / "security" / "slither.md"
_REPORT = PROVE / "slither.json"
_EXPORT = PROVE / "export"
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)
_READ_WHAT_WE_BUILT = ("--ignore-compile", "--foundry-out-directory", str(INFO.relative_to(ROOT)))

_Key = tuple[str, str]


def main() -> int:
    """Analyse, compare with the explanations, print what differs."""
    build()
    _verify_bytecode()
    findings = keys_of(_analyse())
    explained = explanations(EXPLANATIONS.read_text(encoding="utf-8"))
    new = [key for key in findings if key not in explained]
    stale = [key for key in explained if key not in findings]
    for detector, element in new:
        print(f"NEW    {detector}: {findings[detector, element]}")
        print(f"       | `{detector}` | `{element}` | why this is fine |")
    for detector, element in stale:
        print(f"STALE  {detector}: {element} is explained but no longer found")
    print(f"slither: {len(findings)} findings, {len(new)} new, {len(stale)} stale explanations")
    return 1 if new or stale else 0


def explanations(text: str) -> dict[_Key, str]:
    """Read the rows of the table: (detector, element) to why it is fine."""
    return {(detector, element): reason.strip() for detector, element, reason in _ROW.findall(text)}


def keys_of(report: Mapping[str, Any]) -> dict[_Key, str]:
    """Map each finding's (detector, element) to its first line."""
    found: dict[_Key, str] = {}
    for finding in report["results"].get("detectors", []):
        first = str(finding["description"]).strip().splitlines()[0]
        found[finding["check"], _element(finding)] = first
    return found


def _element(finding: Mapping[str, Any]) -> str:
    """Name what a finding is about: a contract, a function, or a variable of one."""
    element = finding["elements"][0]
    parts = [str(element.get("type_specific_fields", {}).get("signature") or element["name"])]
    parent = element.get("type_specific_fields", {}).get("parent")
    while parent is not None and parent["type"] != "file":
        parts.append(str(parent.get("type_specific_fields", {}).get("signature") or parent["name"]))
        parent = parent.get("type_specific_fields", {}).get("parent")
    return ".".join(reversed(parts))


def _analyse() -> dict[str, Any]:
    _REPORT.unlink(missing_ok=True)
    entry = str(ROOT / "scripts" / "prove" / "slither_entry.py")
    command = [tool("slither", "python"), "-P", entry, ".", *_READ_WHAT_WE_BUILT, "--json", str(_REPORT)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if not _REPORT.exists():
        raise ProveError(f"slither failed:\n{done.stdout}{done.stderr}")
    report: dict[str, Any] = json.loads(_REPORT.read_text(encoding="utf-8"))
    if not report["success"] or "Impossible to generate IR" in done.stderr:
        raise ProveError(f"slither left something out:\n{done.stderr}")
    return report


def _verify_bytecode() -> None:
    """Ask crytic-compile, through which Slither reads, for the bytecode it sees."""
    command = [tool("slither", "crytic-compile"), ".", *_READ_WHAT_WE_BUILT]
    command += ["--export-format", "standard", "--export-dir", str(_EXPORT)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProveError(f"crytic-compile failed:\n{done.stdout}{done.stderr}")
    found: dict[str, str] = {}
    for path in _EXPORT.glob("*.json"):
        for unit in json.loads(path.read_text(encoding="utf-8"))["compilation_units"].values():
            for source in unit["source_units"].values():
                found |= {name: str(contract["bin-runtime"]) for name, contract in source.get("contracts", {}).items()}
    missing = [name for name in committed() if name not in found]
    if missing:
        raise ProveError(f"slither does not see {', '.join(missing)}.")
    verify((name, found[name]) for name in committed())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProveError as problem:
        sys.exit(f"error: {problem}")
