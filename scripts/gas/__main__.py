"""`python -m scripts.gas`: measure every operation, write `snapshots/gas.json`, print the table beside the targets.

`--check` writes nothing: exit code 1 when a figure is more than 0.5% above the committed one, or an operation is new
or gone. A figure more than 0.5% below is only told.
"""

from __future__ import annotations

import argparse
import json
import sys

from scripts.gas import snapshot
from scripts.gas.chain import MeasureError
from scripts.gas.measure import measure
from scripts.gas.pricing import UnpriceableError
from scripts.suites.model import ROOT

_SNAPSHOT = ROOT / "snapshots" / "gas.json"
_TARGETS = ROOT / "snapshots" / "targets.json"


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with the committed figures")
    arguments = parser.parse_args()
    try:
        measured = measure()
    except (MeasureError, UnpriceableError) as error:
        print(f"The gas could not be measured: {error}.", file=sys.stderr)
        return 1
    if arguments.check:
        committed = json.loads(_SNAPSHOT.read_text(encoding="utf-8")) if _SNAPSHOT.exists() else {}
        return _tell(snapshot.compare(committed, measured))
    aims = json.loads(_TARGETS.read_text(encoding="utf-8"))
    _SNAPSHOT.write_text(snapshot.document(measured), encoding="utf-8")
    print(snapshot.table(measured, aims))
    print("\n  targets that were moved, once (docs/adr/0021-gas-targets-of-the-complete-functions.md):")
    for line in snapshot.moved(aims):
        print(f"    {line}")
    above = snapshot.missed(measured, aims)
    print(f"\n  {len(measured)} operations, {len(above)} above their target; written to {_SNAPSHOT.relative_to(ROOT)}")
    return 0


def _tell(found: snapshot.Comparison) -> int:
    for change in found.dearer:
        print(f"dearer: {change}")
    for key in found.missing:
        print(f"gone: {key}; run `make gas`")
    for key in found.new:
        print(f"new: {key}; run `make gas`")
    for change in found.cheaper:
        print(f"cheaper: {change}; run `make gas` to keep it")
    if found.dearer:
        print("More gas than committed: make it cheaper, or say why and run `make gas`.")
    return 0 if found.passes else 1


if __name__ == "__main__":
    sys.exit(main())
