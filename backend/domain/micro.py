"""Rules of payments from a pool: how high a ceiling must be, what a pool may promise, and for how long.

All amounts are base units, all times unix seconds, all spans seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aicp.rules.constants import Constants


def need(*, earned_units: int, in_flight_units: int, price_units: int) -> int:
    """Return the ceiling a voucher must reach so that the order is covered with all before it."""
    return earned_units + in_flight_units + price_units


def raised_ceiling(stored_units: int, offered_units: int | None) -> int:
    """Return the ceiling that counts: a higher offer replaces the stored one, an equal or lower one changes nothing."""
    return stored_units if offered_units is None else max(stored_units, offered_units)


def available(*, headroom_units: int, earned_units: int, reserved_units: int) -> int:
    """Return what the pool can still promise, never below zero."""
    return max(0, headroom_units - earned_units - reserved_units)


@dataclass(frozen=True, slots=True)
class PoolLevel:
    """How a pool stands: `low` below what its payer wants free, `short` of what deals need."""

    low: bool
    short: bool


def pool_level(*, room_units: int, waiting_units: int, below_units: int | None) -> PoolLevel:
    """Return how a pool stands.

    `room_units` is what it can still promise, below zero where what it has promised is not covered any more;
    `waiting_units` what deals that wait for payment will need; `below_units` the payer's threshold, if any.
    """
    return PoolLevel(
        low=below_units is not None and max(0, room_units) < below_units, short=room_units < waiting_units
    )  # fmt: skip


def utc_day(now: int) -> int:
    """Return the UTC day of a moment, counted from 1970-01-01: what a session key may spend is counted by it."""
    return now // 86_400


class OrderProblem(StrEnum):
    """What is wrong with an order, whatever its signature."""

    PRICE_DIFFERS = "price_differs"
    BID_EXPIRED = "bid_expired"
    DELIVER_BY_TOO_EARLY = "deliver_by_too_early"
    EVALUATE_BY_OUT_OF_RANGE = "evaluate_by_out_of_range"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """An order beside the bid it answers."""

    price_units: int
    deliver_by: int
    evaluate_by: int
    bid_amount_units: int
    bid_valid_until: int
    bid_eta_seconds: int


def order_problem(order: OrderTerms, *, now: int, constants: Constants) -> OrderProblem | None:
    """Return the first rule the order breaks, None when it breaks none."""
    if order.price_units != order.bid_amount_units:
        return OrderProblem.PRICE_DIFFERS
    if now > order.bid_valid_until:
        return OrderProblem.BID_EXPIRED
    if order.deliver_by < now + order.bid_eta_seconds:
        return OrderProblem.DELIVER_BY_TOO_EARLY
    if not order.deliver_by < order.evaluate_by <= order.deliver_by + constants.evaluation_seconds:
        return OrderProblem.EVALUATE_BY_OUT_OF_RANGE
    if order.evaluate_by - now > constants.max_micro_seconds:
        return OrderProblem.TOO_LONG
    return None


def accepts_orders(*, finalized_time: int, now: int, constants: Constants) -> bool:
    """Return whether an order of the usual length is taken now: one that lasts for the default L.

    Where this is false, orders as the pages and the SDK make them are refused as `chain_behind`; shorter ones may pass.
    """
    usual = now + constants.max_micro_seconds
    return claim_is_safe(evaluate_by=usual, finalized_time=finalized_time, now=now, constants=constants)


def claim_is_safe(*, evaluate_by: int, finalized_time: int, now: int, constants: Constants) -> bool:
    """Return whether a receipt issued at `evaluate_by` can still be claimed before a withdrawal we cannot see yet.

    L (until `evaluate_by`) + B (age of the newest final block we know) + M (claim margin) must fit into the delay a
    withdrawal has to wait, and B may not exceed its own bound.
    """
    remaining = max(0, evaluate_by - now)
    age = max(0, now - finalized_time)
    whole = remaining + age + constants.claim_margin_seconds
    return age <= constants.max_finality_age_seconds and whole <= constants.pool_withdraw_delay_seconds
