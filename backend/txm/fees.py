"""What a transaction offers, in wei per gas: at first, and when it must be replaced. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees in wei per gas."""

    max_fee_wei: int
    tip_wei: int


def _within(max_fee_wei: int, tip_wei: int, cap_wei: int) -> Fees:
    max_fee = min(max_fee_wei, cap_wei)
    return Fees(max_fee, min(tip_wei, max_fee))


def market(*, base_fee_wei: int, suggested_tip_wei: int, floor_wei: int, cap_wei: int) -> Fees:
    """Return today's offer: the suggested tip, at least the floor, on top of twice the base fee, up to the cap."""
    tip = max(suggested_tip_wei, floor_wei)
    return _within(2 * base_fee_wei + tip, tip, cap_wei)


def affordable(fees: Fees, gas_limit: int, budget_wei: int | None) -> Fees:
    """Return the fees, lowered to what a budget allows for so much gas."""
    return fees if budget_wei is None else _within(fees.max_fee_wei, fees.tip_wei, budget_wei // gas_limit)


def _bumped(value: int) -> int:
    """Raise by an eighth, rounded up: pools take a replacement only 10% above, some count more strictly."""
    return -(-value * 9 // 8)


def bump(old: Fees, now: Fees, cap_wei: int) -> Fees | None:
    """Return the fees of a replacement, both raised by at least 12.5% or to the market; None where the cap forbids."""
    wanted = Fees(max(_bumped(old.max_fee_wei), now.max_fee_wei), max(_bumped(old.tip_wei), now.tip_wei))
    fees = _within(wanted.max_fee_wei, wanted.tip_wei, cap_wei)
    if fees.max_fee_wei < _bumped(old.max_fee_wei) or fees.tip_wei < _bumped(old.tip_wei):
        return None
    return fees
