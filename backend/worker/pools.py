"""Which processes look after which queues; apart from the rest, so that the parent of the pools stays small."""

from __future__ import annotations

from typing import Final

SENDS: Final = "transactions"
POOLS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    SENDS: (2, ("txm",)),
    "duties": (2, ("deals", "keeper", "scheduler", "settlement")),
}
"""Processes and queues of each pool: however long other rounds take, transactions are looked after."""
