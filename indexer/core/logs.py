"""A log as it is stored, before anybody knows what it means."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.core.rows import Place


@dataclass(slots=True)
class RawLog(Place):
    """One log, which is its own place. Not frozen for speed alone: a frozen one takes three times as long to make."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
