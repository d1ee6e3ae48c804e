"""`.aicp/bench.json`: the newest figure of every name, kept from one run to the next."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from scripts.suites.model import ROOT

FILE: Final = ROOT / ".aicp" / "bench.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `peer` names what else did the same work, `ratio` is how many times better we are."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


def record(*figures: Figure) -> None:
    """Write the figures into the file; those of other names stay."""
    known = {figure.name: figure for figure in read()}
    known.update((figure.name, figure) for figure in figures)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(known[name]) for name in sorted(known)]
    FILE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read() -> list[Figure]:
    """Return the recorded figures, none where nothing was measured yet."""
    if not FILE.exists():
        return []
    return [Figure(**row) for row in json.loads(FILE.read_text(encoding="utf-8"))]


def table(figures: list[Figure]) -> str:
    """Return the figures as lines to read."""
    lines = [f"  {'figure':44}{'value':>14}  {'unit':10}{'peer':>14}  ratio"]
    for figure in figures:
        peer = "" if figure.peer_value is None else f"{figure.peer_value:,.4g}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.1f}x {figure.peer or ''}"
        lines.append(f"  {figure.name:44}{figure.value:>14,.4g}  {figure.unit:10}{peer:>14}  {ratio}")
    return "\n".join(lines)
