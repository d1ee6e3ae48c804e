"""A log as it is stored, before anybody knows what it means."""

from __future__ import annotations

from indexer.core.rows import Place


class RawLog(Place, gc=False):
    """One log, which is its own place."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
