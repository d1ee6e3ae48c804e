"""Which receipts are worth a transaction now. Pure; amounts in base units, gas prices in wei, times unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aicp.rules.constants import Constants

CLAIM_ROW_GAS: Final = 25_000
"""Gas of one more row in a batch, with its share of the receiver's settlement."""
SETTLE_ROW_GAS: Final = 70_000
SETTLE_BASE_GAS: Final = 60_000
DUST_ROW_GAS: Final = 125_000
"""What a row of dust is counted at: its gas where the chain knows neither the channel nor the receiver."""
MAX_ROWS: Final = 400
"""Rows of a batch; so many receivers are also the most one settlement can pay within a transaction's gas."""
MAX_BATCH_GAS: Final = 30_000_000
"""Gas limit of a batch. Polygon takes 2^25 a transaction."""
MAX_BATCH_BYTES: Final = 120_000
"""Calldata of a batch. Nodes take 128 KiB a transaction, signature and fees included."""
WEI: Final = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimable:
    """A channel whose receipts exceed what the chain has claimed, or what is on its way there."""

    channel_id: bytes
    unclaimed_units: int
    oldest_receipt_at: int
    withdrawal_pending: bool
    tries: int = 0
    """How often a claim of it has failed, or has not come to its end."""


class ClaimReason(StrEnum):
    """Why a row is claimed now."""

    WITHDRAWAL = "withdrawal"
    VALUE = "value"
    AGE = "age"
    DUST = "dust"
    """A withdrawal threatens it and it is worth less than its gas: claimed inside the day of the pool's owner."""
    WISH = "wish"
    """Its agent has asked for it."""


def gas_cost_units(gas: int, gas_price_wei: int, native_price_units: int) -> int:
    """Return what gas costs in base units, rounded up. `native_price_units` is the price of one native coin."""
    return -(-gas * gas_price_wei * native_price_units // WEI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """From which value a row is claimed, in base units."""

    once_old_units: int
    threatened_units: int
    """What a row's own gas costs: from this value on a pending withdrawal has it claimed at once."""
    at_once_units: int | None
    """None where gas costs nothing: then only age decides, or every payment would become a transaction."""


def worth(*, gas_price_wei: int, constants: Constants) -> Worth:
    """Return `settle_gas_multiple` times a row's gas for one that has waited, ten times that for one that has not."""
    cost = gas_cost_units(CLAIM_ROW_GAS, gas_price_wei, constants.native_price_units)
    enough = cost * constants.settle_gas_multiple
    return Worth(once_old_units=enough, threatened_units=cost, at_once_units=10 * enough if enough else None)


def claim_reason(row: Claimable, *, now: int, gas_price_wei: int, constants: Constants) -> ClaimReason | None:
    """Return why to claim the row now, None to wait.

    A pending withdrawal claims what is worth its own gas; less than that is dust. Without one the row must be worth
    `settle_gas_multiple` times its gas, and is claimed when it has waited `settle_age_seconds` or is worth ten times
    that again.
    """
    if row.unclaimed_units <= 0:
        return None
    needed = worth(gas_price_wei=gas_price_wei, constants=constants)
    if row.withdrawal_pending:
        return ClaimReason.WITHDRAWAL if row.unclaimed_units >= needed.threatened_units else ClaimReason.DUST
    if row.unclaimed_units < needed.once_old_units:
        return None
    if now - row.oldest_receipt_at >= constants.settle_age_seconds:
        return ClaimReason.AGE
    at_once = needed.at_once_units
    return ClaimReason.VALUE if at_once is not None and row.unclaimed_units >= at_once else None


def batch_limit(tries: int) -> int:
    """Return how many rows that have failed so often go into one batch: each time half, down to each one alone."""
    return max(1, MAX_ROWS >> tries)


def claim_gas(estimated_gas: int) -> int:
    """Return the gas limit of a batch: a fourth above what it takes now, since other claims may come before it."""
    return estimated_gas + estimated_gas // 4 + 50_000


def fits(*, calldata_bytes: int, estimated_gas: int) -> bool:
    """Return whether one transaction can carry a batch."""
    return calldata_bytes <= MAX_BATCH_BYTES and claim_gas(estimated_gas) <= MAX_BATCH_GAS


def settle_gas(receivers: int) -> int:
    """Return the gas limit of paying out receivers."""
    return SETTLE_BASE_GAS + SETTLE_ROW_GAS * receivers
