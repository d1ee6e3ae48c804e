"""Seeds worth telling again, with what they once found. A seed means the same story only while the dice are thrown in
the same order; the guard of the same row keeps the finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Notable:
    """A seed, the row of the fault table it belongs to, and what it found."""

    seed: int
    row: str
    found: str


NOTABLE: Final = (
    Notable(58, "T1", "a node's error lost its kind on its way through the leases, and ended the worker's task"),
    Notable(41, "P7", "a withdrawal announced from a pool that never had a deposit stopped the indexer for ever"),
)
SHORT: Final = tuple(range(1, 5))
"""What `make test` tells."""
