"""A mutant: one replacement in one source file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

Span = tuple[int, int]
"""First byte and the byte behind the last, in a source file."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """Replace the bytes of `span` in `file` by `replacement`.

    `statement` is what must be executed for the change to show. `nth` tells apart equal changes in one function.
    """

    file: str
    function: str
    operator: str
    span: Span
    statement: Span
    line: int
    original: str
    replacement: str
    nth: int = 0

    @property
    def key(self) -> str:
        """Name of the mutant that does not change when other lines of the file do."""
        parts = (self.file, self.function, self.operator, self.original, self.replacement, str(self.nth))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def applied(self, source: bytes) -> bytes:
        """Return the source with the change."""
        return source[: self.span[0]] + self.replacement.encode() + source[self.span[1] :]


def numbered(mutants: Iterable[Mutant]) -> tuple[Mutant, ...]:
    """Return the mutants in the order of their places, each change once, equal ones of a function numbered."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: dict[tuple[str, Span, str], Mutant] = {}
    for mutant in sorted(mutants, key=lambda m: (m.file, m.span, m.operator, m.replacement)):
        place = (mutant.file, mutant.span, mutant.replacement)
        if place in found or mutant.original == mutant.replacement:
            continue
        name = (mutant.file, mutant.function, mutant.operator, mutant.original, mutant.replacement)
        found[place] = replace(mutant, nth=seen[name])
        seen[name] += 1
    return tuple(found.values())
