"""A log as it is stored, before anybody knows what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawLog:
    """One log with its place; `block_time` in unix seconds."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_time: int
