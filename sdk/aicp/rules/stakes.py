"""What an outcome does to the stake behind an escrow: slash, who gets it, and the bonus for success.

Source: docs/Rules.md, "Stakes", and the contract's library `StakeMath`, whose numbers these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aicp.abi.enums import Outcome
from aicp.rules.fees import BPS, required_stake

BONUS_BPS: Final = 500
"""Highest bonus, in basis points of the required stake."""
SEVERITY_BPS: Final = {Outcome.RETURNED: 1_000, Outcome.MISSED: 5_000, Outcome.LOST: 10_000}
"""Share of the lock that an outcome costs when the whole price went back; every other outcome costs nothing."""


@dataclass(frozen=True, slots=True)
class StakeEffect:
    """Base units: what of the lock goes to the client and to the bonus pool, and the bonus credited to the agent."""

    to_client: int
    to_pool: int
    bonus: int


def severity_bps(outcome: Outcome) -> int:
    """Return the share of the lock that an outcome costs, in basis points."""
    return SEVERITY_BPS.get(outcome, 0)


def stake_effect(
    outcome: Outcome, *, amount_units: int, refunded_units: int, fee_units: int, bonus_pool_units: int
) -> StakeEffect:
    """Return what the end of an escrow over `amount_units` does to its stake.

    The slash is ceil(lock x severity x refunded / (amount x 10,000)); what a lost dispute costs above half of the lock
    goes to the bonus pool. The bonus of a completed escrow is the least of 5% of the lock, half of the fee it paid, and
    the pool. Raises ValueError for amounts that cannot be.
    """
    if not 0 <= refunded_units <= amount_units or amount_units == 0 or fee_units < 0 or bonus_pool_units < 0:
        raise ValueError("a stake needs an amount, of which at most all was refunded")
    lock = required_stake(amount_units)
    whole = amount_units * BPS
    total = -(-lock * severity_bps(outcome) * refunded_units // whole)
    to_client = min(total, lock // 2) if outcome is Outcome.LOST else total
    bonus = min(lock * BONUS_BPS // BPS, fee_units // 2, bonus_pool_units) if outcome is Outcome.COMPLETED else 0
    return StakeEffect(to_client=to_client, to_pool=total - to_client, bonus=bonus)
