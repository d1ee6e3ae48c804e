"""Seeds worth telling again, with what they once found. A seed means the same story only while the dice are thrown in
the same order, so each entry also names the kinds of faults it needs; the guard of the same row keeps the finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Notable:
    """A seed, the row of the fault table it belongs to, what it found, and what has to be injected for it."""

    seed: int
    row: str
    found: str
    kinds: tuple[str, ...] = ()


NOTABLE: Final = (
    Notable(
        3, "I15", "one failed read of a tag, and blocks were counted for ever: marks stood still", ("error_of_one",)
    ),
    Notable(13, "I15", "the same after an error of a whole batch", ("error_of_all",)),
    Notable(100, "I8", "a range without its logs was believed, and its rows were lost", ("empty_in_range",)),
    Notable(100, "I12", "rows of one that had taken over contradicted the loser's range: it left a dead letter"),
    Notable(104, "I9", "one log missing of several in a range was believed", ("missing_in_range",)),
    Notable(
        106, "I9", "a lost log made the next one contradict: dead letter for a healthy chain", ("missing_in_range",)
    ),
    Notable(332, "I6", "one node on a dropped branch stopped the indexer with the code of a reorg too deep"),
)
SHORT: Final = tuple(range(1, 21))
"""What `make test` tells."""
