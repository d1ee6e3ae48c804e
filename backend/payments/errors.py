"""Refusals only payments know."""

from __future__ import annotations

from backend.errors import Conflict, Problem


class PoolClosing(Conflict):
    code, title = "pool_closing", "A withdrawal from this pool is pending; it takes no new orders."


class RetiredOperator(Conflict):
    code, title = "operator_retired", "The operator of this pool or deal no longer serves here."


class NothingToClaim(Conflict):
    code, title = "nothing_to_claim", "The chain has claimed all this channel has earned."


class DepositTooSmall(Problem):
    status, code, title = 422, "deposit_too_small", "The deposit is not worth the gas it takes."


class ClaimNotWorth(Conflict):
    code, title = "claim_not_worth", "What is unclaimed is not worth its gas yet."


class SessionKeyCap(Problem):
    status, code, title = 403, "session_key_cap", "The session key has ordered all it may in a day."
