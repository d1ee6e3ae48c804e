"""One view call of the audit and what its answer is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from indexer.core.context import Contracts
from indexer.core.rows import StateRow

Pair = tuple[str, Any, Any]
"""A column, the contract's value, the value from the logs."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the questions are asked about: the contracts, their token, and the time of the block in unix seconds."""

    contracts: Contracts
    token: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Question:
    """A call about a row. `pairs` takes the contract's answer apart."""

    row: StateRow
    contract: bytes
    calldata: bytes
    pairs: Callable[[bytes], Iterable[Pair]]


def single(row: StateRow, contract: bytes, calldata: bytes, column: str, decode: Callable[[bytes], Any]) -> Question:
    """Return a question whose answer is one column of the row."""
    return Question(row, contract, calldata, lambda raw: [(column, decode(raw), getattr(row, column))])
