"""Refusals only payments know."""

from __future__ import annotations

from backend.errors import Conflict, Problem


class PoolClosing(Conflict):
    code, title = "pool_closing", "A withdrawal from this pool is pending; it takes no new orders."


class RetiredOperator(Conflict):
    code, title = "operator_retired", "The operator of this pool or deal no longer serves here."


class SessionKeyCap(Problem):
    status, code, title = 403, "session_key_cap", "The session key has ordered all it may within 24 hours."
