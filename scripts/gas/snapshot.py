"""The committed figures, the targets and anchors beside them, and the comparison with a new measurement. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scripts.gas.pricing import Figures

TOLERANCE_PER_MILLE = 5

Committed: TypeAlias = Mapping[str, Mapping[str, int]]
"""Sentence: {"evm": gas, "polygon": gas}."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that is more than half a percent away from the committed one."""

    key: str
    chain: str
    before: int
    after: int

    def __str__(self) -> str:
        percent = 100 * (self.after - self.before) / self.before
        return f"{self.key} ({self.chain}): {self.before:,} -> {self.after:,} gas ({percent:+.2f}%)"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed; `missing` operations are committed and not measured any more, `new` ones the other way round."""

    dearer: tuple[Change, ...]
    cheaper: tuple[Change, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """False when something became dearer or the operations differ."""
        return not (self.dearer or self.missing or self.new)


def document(measured: Mapping[str, Figures]) -> str:
    """Return the text of the snapshot file."""
    rows = {key: {"evm": found.evm, "polygon": found.polygon} for key, found in sorted(measured.items())}
    return json.dumps(rows, indent=1) + "\n"


def compare(committed: Committed, measured: Mapping[str, Figures]) -> Comparison:
    """Compare a measurement with the committed figures."""
    dearer: list[Change] = []
    cheaper: list[Change] = []
    for key in sorted(set(committed) & set(measured)):
        for chain, after in (("evm", measured[key].evm), ("polygon", measured[key].polygon)):
            before = committed[key][chain]
            if 1_000 * after > (1_000 + TOLERANCE_PER_MILLE) * before:
                dearer.append(Change(key, chain, before, after))
            elif 1_000 * after < (1_000 - TOLERANCE_PER_MILLE) * before:
                cheaper.append(Change(key, chain, before, after))
    missing, new = sorted(set(committed) - set(measured)), sorted(set(measured) - set(committed))
    return Comparison(tuple(dearer), tuple(cheaper), tuple(missing), tuple(new))


def table(measured: Mapping[str, Figures], aims: Mapping[str, Any]) -> str:
    """Return the figures beside targets and anchors; E is a standard chain, P Polygon, L Polygon with an access list.

    Where an operation is measured on a likeness of the real contract, the anchor is the real one, marked `=`.
    """
    lines = [f"  {'operation':<58}{'E':>8}{'P':>9}{'L':>9}   {'target E / P':<20} {'anchor E / P':<20} anchor"]
    for key, found in sorted(measured.items()):
        aim = aims.get(key, {})
        anchor = aim.get("anchor") or {}
        beside = (_beside(found, aim.get("target")), _beside(found, anchor or None))
        figures = f"{found.evm:>8,}{found.polygon:>9,}{found.listed:>9,}"
        lines.append(f"  {key:<58}{figures}   {beside[0]:<20} {beside[1]:<20} {anchor.get('source', '')}".rstrip())
    return "\n".join(lines)


def moved(aims: Mapping[str, Any]) -> list[str]:
    """Return a line for every operation whose target is not the first one."""
    return [
        f"{key}: {aim['first']['evm']:,} / {aim['first']['polygon']:,} at first"
        for key, aim in sorted(aims.items())
        if "first" in aim
    ]


def missed(measured: Mapping[str, Figures], aims: Mapping[str, Any]) -> list[str]:
    """Return the operations that are above their target on either chain."""
    return [
        key
        for key, found in sorted(measured.items())
        if (target := aims.get(key, {}).get("target")) is not None and not _within(found, target)
    ]


def _within(found: Figures, aim: Mapping[str, Any]) -> bool:
    pairs = ((found.evm, aim["evm"]), (found.polygon, aim["polygon"]))
    return all(limit is None or gas <= limit for gas, limit in pairs)


def _beside(found: Figures, aim: Mapping[str, Any] | None) -> str:
    if aim is None:
        return ""
    evm, polygon = (f"{limit:,}" if limit is not None else "-" for limit in (aim["evm"], aim["polygon"]))
    mark = "=" if aim.get("likeness") else "✓" if _within(found, aim) else "✗"
    return f"{mark} {evm} / {polygon}"
