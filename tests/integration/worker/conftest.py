"""A world a module: contracts, mirror, tables and keys."""

from __future__ import annotations

from tests.fixtures.moneylab import world

__all__ = ["world"]
