"""Arbiters as Escrow meets them: they name a fee, take it, and answer or not. What they decide is a test's choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONGEST = 180 * 86_400
SOLVED = 2


@dataclass(slots=True)
class ArbiterModel:
    """One arbiter: `honest` is a plain ERC-792 one without `maxDuration`, else it does as it is told.

    `mode` and `taking` are the modes of the arbiter that misbehaves: how it answers, and what it takes.
    """

    address: str
    honest: bool
    fee: int = 0
    cases: list[list[int]] = field(default_factory=list)
    mode: int = 0
    taking: int = 0
    next_id: int = 0
    duration: int = 0
    status: int = 0
    ruling: int = 0

    def _answers(self) -> bool:
        return self.mode == 0

    def longest(self) -> int:
        """Seconds it says it needs, as far as they count."""
        if self.honest:
            return 0
        if self.mode == 3:  # a hash as an answer is a very long time
            return LONGEST
        return min(self.duration, LONGEST) if self._answers() else 0

    def takes(self, fee: int) -> int | None:
        """Base units it takes of an allowance of `fee`, None if it cannot or will not."""
        if self.taking == 4 or (self.taking == 1 and fee == 0) or self.taking == 2:
            return None
        return (fee, fee - 1, 0, 0)[self.taking]

    def final_ruling(self, dispute_id: int) -> int | None:
        """What it says is final, None if nothing is."""
        if self.honest:
            status, ruling = self.cases[dispute_id]
            return ruling if status == SOLVED else None
        return self.ruling if self._answers() and self.status == SOLVED else None

    def open_case(self) -> int:
        """Number of a new dispute."""
        if not self.honest:
            return self.next_id
        self.cases.append([0, 0])
        return len(self.cases) - 1

    def __call__(self, **changes: Any) -> None:
        """Do as told."""
        for name, value in changes.items():
            setattr(self, name, value)
