"""One view call of the audit and what its answer is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from indexer.core.rows import StateRow

Pair = tuple[str, Any, Any]
"""A column, the contract's value, the value from the logs."""


@dataclass(frozen=True, slots=True)
class Question:
    """`pairs` takes the contract's answer apart."""

    row: StateRow
    contract: bytes
    calldata: bytes
    pairs: Callable[[bytes], Iterable[Pair]]
