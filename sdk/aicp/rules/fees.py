"""The network fee and the agent's stake, as the contracts compute them."""

from __future__ import annotations

from typing import Final

BPS: Final = 10_000


def fee(released_units: int, fee_bps: int) -> int:
    """Return the fee on a cumulative release of base units, rounded down to a base unit; the rate is in basis points.

    Partial releases pay the difference of two cumulative fees, so slicing a release never changes the total. Raises
    ValueError for less than nothing, or a rate outside 0 to 10,000.
    """
    if released_units < 0 or not 0 <= fee_bps <= BPS:
        raise ValueError("a fee needs an amount of at least 0 and a rate of 0..10000 basis points")
    return released_units * fee_bps // BPS


def required_stake(amount_units: int, stake_bps: int = 2000) -> int:
    """Return the stake an agent locks to accept an escrow of so many base units, rounded up to a base unit.

    The rate is in basis points and may be above 10,000. Raises ValueError for an amount or a rate below 0.
    """
    if amount_units < 0 or stake_bps < 0:
        raise ValueError("a stake needs an amount and a rate of at least 0")
    return -(-amount_units * stake_bps // BPS)
