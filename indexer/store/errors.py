"""Why the store refuses to write."""

from __future__ import annotations


class StoreError(Exception):
    """Base of what the store raises on purpose; nothing was written."""


class LostRaceError(StoreError):
    """Another indexer has taken this mirror over. Exit."""


class ForeignMirrorError(StoreError):
    """The database mirrors another chain or other contracts. Never mixed."""
