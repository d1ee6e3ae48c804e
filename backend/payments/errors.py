"""Refusals only payments know."""

from __future__ import annotations

from backend.errors import Conflict


class PoolClosing(Conflict):
    code, title = "pool_closing", "A withdrawal from this pool is pending; it takes no new orders."


class RetiredOperator(Conflict):
    code, title = "operator_retired", "The operator of this pool or deal no longer serves here."
