"""Which receipts are worth a transaction now. Pure; amounts in base units, gas prices in wei, times unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aicp.rules.constants import Constants

CLAIM_ROW_GAS: Final = 25_000
"""Gas of one more row in a batch, with its share of the receiver's settlement."""
CLAIM_BASE_GAS: Final = 120_000
SETTLE_ROW_GAS: Final = 70_000
SETTLE_BASE_GAS: Final = 60_000
MAX_ROWS: Final = 150
WEI: Final = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimable:
    """A channel whose receipts exceed what the chain has claimed, or what is on its way there."""

    channel_id: bytes
    unclaimed_units: int
    oldest_receipt_at: int
    withdrawal_pending: bool


class ClaimReason(StrEnum):
    """Why a row is claimed now."""

    WITHDRAWAL = "withdrawal"
    VALUE = "value"
    AGE = "age"


def gas_cost_units(gas: int, gas_price_wei: int, native_price_units: int) -> int:
    """Return what gas costs in base units, rounded up. `native_price_units` is the price of one native coin."""
    return -(-gas * gas_price_wei * native_price_units // WEI)


def claim_reason(row: Claimable, *, now: int, gas_price_wei: int, constants: Constants) -> ClaimReason | None:
    """Return why to claim the row now, None to wait.

    A pending withdrawal always claims. Otherwise the row must be worth `settle_gas_multiple` times its gas, and is
    claimed when it has waited `settle_age_seconds` or is worth ten times that again.
    """
    if row.unclaimed_units <= 0:
        return None
    if row.withdrawal_pending:
        return ClaimReason.WITHDRAWAL
    cost = gas_cost_units(CLAIM_ROW_GAS, gas_price_wei, constants.native_price_units)
    worth_it = cost * constants.settle_gas_multiple
    if row.unclaimed_units < worth_it:
        return None
    if now - row.oldest_receipt_at >= constants.settle_age_seconds:
        return ClaimReason.AGE
    return ClaimReason.VALUE if worth_it and row.unclaimed_units >= 10 * worth_it else None


def chosen(
    rows: Sequence[Claimable], *, now: int, gas_price_wei: int, constants: Constants
) -> list[tuple[Claimable, ClaimReason]]:
    """Return the rows to claim now, threatened ones first, then by value, at most one batch."""
    reasons = [
        (row, reason)
        for row in rows
        if (reason := claim_reason(row, now=now, gas_price_wei=gas_price_wei, constants=constants)) is not None
    ]
    reasons.sort(key=lambda pair: (pair[1] is not ClaimReason.WITHDRAWAL, -pair[0].unclaimed_units, pair[0].channel_id))
    return reasons[:MAX_ROWS]


def claim_gas(rows: int) -> int:
    """Return the gas limit of a batch of rows that may each draw the pool and touch new words."""
    return CLAIM_BASE_GAS + 110_000 * rows


def settle_gas(receivers: int) -> int:
    """Return the gas limit of paying out receivers."""
    return SETTLE_BASE_GAS + SETTLE_ROW_GAS * receivers
