"""What a task costs with an agent: base x multiplier x (1 + complexity/2) x urgency, and the quote of it.

Version 1. Source: docs/Rules.md, "Prices". The multiplier follows from the
counts that `Reputation.recordOf(agent)` holds at a block, so anybody recomputes a quote with one read of the chain.
All factors are basis points, 10,000 of them are 1.0; the price is rounded once, half up to a base unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aicp.abi.reputation import Record
from aicp.abi.signing import recover, sign
from aicp.abi.typed_data import Domain, Quote
from aicp.rules.fees import BPS
from aicp.rules.primitives import MAX_UINT96

FORMULA_VERSION: Final = 1
SETTLED_BEFORE_TIERS: Final = 10
"""Escrows that must have succeeded or failed before a success rate means anything; until then the multiplier is 1."""
MIN_COMPLEXITY: Final = 1
MAX_COMPLEXITY: Final = 10
URGENCY_BPS: Final = {"1.0": 10_000, "1.25": 12_500, "1.5": 15_000}
"""What a task's document calls its urgency, and the factor."""


class Tier(StrEnum):
    """How good a success rate, or a score, is."""

    EXCELLENT = "excellent"
    VERY_GOOD = "very_good"
    GOOD = "good"
    FAIR = "fair"
    LOW = "low"
    NEW = "new"


TIERS: Final = (
    (9_500, Tier.EXCELLENT, 20_000),
    (9_000, Tier.VERY_GOOD, 18_000),
    (8_000, Tier.GOOD, 15_000),
    (7_000, Tier.FAIR, 12_000),
    (0, Tier.LOW, 5_000),
)
"""(lowest success rate that belongs to it in basis points, tier, multiplier in basis points), best first."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a price: its name, its value in basis points, and what it follows from in words."""

    name: str
    bps: int
    because: str


@dataclass(frozen=True, slots=True)
class Price:
    """A price in base units with everything it follows from, in the order in which it is multiplied."""

    units: int
    base_units: int
    tier: Tier
    factors: tuple[Factor, ...]


class QuoteError(ValueError):
    """A quote that must not be relied on. The message is one sentence."""


def counts_of(record: Record) -> tuple[int, int]:
    """Return (successes, decided) of an agent's record on chain: completed or won, and those plus failed and lost."""
    return record.completed, record.completed + record.failed + record.lost


def success_rate_bps(successes: int, decided: int) -> int:
    """Return the success rate in basis points, rounded down, 0 where nothing is decided.

    `successes` are escrows completed or won, `decided` those plus escrows given back, missed or lost. Raises ValueError
    for counts that cannot be.
    """
    if not 0 <= successes <= decided:
        raise ValueError("a success rate needs 0 <= successes <= decided")
    return successes * BPS // decided if decided else 0


def tier_of(rate_bps: int) -> tuple[Tier, int]:
    """Return the tier and multiplier, in basis points, of a rate; a rate on an edge belongs to the better tier."""
    if not 0 <= rate_bps <= BPS:
        raise ValueError("a rate is 0 to 10,000 basis points")
    tier, multiplier = next((tier, multiplier) for edge, tier, multiplier in TIERS if rate_bps >= edge)
    return tier, multiplier


def multiplier_of(successes: int, decided: int) -> tuple[Tier, int]:
    """Return the tier and multiplier, in basis points, of an agent: 1.0 until 10 of his escrows are decided."""
    rate = success_rate_bps(successes, decided)
    return tier_of(rate) if decided >= SETTLED_BEFORE_TIERS else (Tier.NEW, BPS)


def price_units(base_units: int, multiplier_bps: int, complexity: int, urgency_bps: int) -> int:
    """Return base x multiplier x (1 + complexity/2) x urgency in base units, rounded half up.

    Raises ValueError for a negative base, a complexity outside 1..10, or factors below zero.
    """
    if base_units < 0 or multiplier_bps < 0 or urgency_bps < 0:
        raise ValueError("a price needs factors of at least 0")
    if not MIN_COMPLEXITY <= complexity <= MAX_COMPLEXITY:
        raise ValueError("complexity is 1 to 10")
    divisor = 2 * BPS * BPS
    return (2 * base_units * multiplier_bps * (2 + complexity) * urgency_bps + divisor) // (2 * divisor)


def price_of(base_units: int, *, successes: int, decided: int, complexity: int, urgency: str) -> Price:
    """Return the price of a task with an agent, each factor explained.

    `urgency` is what the task's document says: 1.0, 1.25 or 1.5. Raises ValueError for anything else.
    """
    if urgency not in URGENCY_BPS:
        raise ValueError("urgency is 1.0, 1.25 or 1.5")
    tier, multiplier = multiplier_of(successes, decided)
    rate = success_rate_bps(successes, decided)
    because = (
        f"{successes} of {decided} decided escrows succeeded ({rate // 100}.{rate % 100:02d}%)"
        if tier is not Tier.NEW
        else f"{decided} of {SETTLED_BEFORE_TIERS} escrows are decided; until then it is 1"
    )
    factors = (
        Factor("multiplier", multiplier, because),
        Factor("complexity", BPS + complexity * BPS // 2, f"1 + {complexity}/2"),
        Factor("urgency", URGENCY_BPS[urgency], f"the buyer asked for {urgency}"),
    )
    return Price(price_units(base_units, multiplier, complexity, URGENCY_BPS[urgency]), base_units, tier, factors)


def quote(
    agent: bytes,
    base_units: int,
    *,
    successes: int,
    decided: int,
    complexity: int,
    urgency: str,
    as_of_block: int,
    valid_until: int,
) -> Quote:
    """Return the quote to sign: the inputs, the price they give, the formula's version, and when it ends (seconds).

    `successes` and `decided` are those of the agent's record at block `as_of_block`. Raises ValueError.
    """
    price = price_of(base_units, successes=successes, decided=decided, complexity=complexity, urgency=urgency)
    if price.units > MAX_UINT96:
        raise ValueError("the price does not fit a payment")
    return Quote(
        agent=agent,
        base=base_units,
        successes=successes,
        decided=decided,
        complexity=complexity,
        urgency_bps=URGENCY_BPS[urgency],
        price=price.units,
        formula=FORMULA_VERSION,
        as_of_block=as_of_block,
        valid_until=valid_until,
    )


def sign_quote(message: Quote, marketplace: Domain, private_key: bytes) -> bytes:
    """Return the 65-byte signature of a quote in the marketplace's domain."""
    return sign(message.digest(marketplace), private_key)


def check_quote(message: Quote, signature: bytes, marketplace: Domain, *, operator: bytes, now: int) -> int:
    """Return the price of a quote, in base units, that `operator` signed, that holds at `now` and is computed rightly.

    Whether the counts are those of the chain at `as_of_block` is for the caller to read. Raises QuoteError, and
    SignatureError for a signature of nobody.
    """
    if message.formula != FORMULA_VERSION:
        raise QuoteError(f"The quote follows version {message.formula} of the formula, which is not known here.")
    if now > message.valid_until:
        raise QuoteError("The quote has ended.")
    if message.urgency_bps not in URGENCY_BPS.values():
        raise QuoteError("The quote has an urgency that no task can have.")
    if recover(message.digest(marketplace), signature) != operator:
        raise QuoteError("The quote was not signed by the operator.")
    try:
        _, multiplier = multiplier_of(message.successes, message.decided)
        price = price_units(message.base, multiplier, message.complexity, message.urgency_bps)
    except ValueError as error:
        raise QuoteError(f"The quote's inputs cannot be: {error}.") from error
    if price != message.price:
        raise QuoteError(f"The quote says {message.price} base units, its inputs give {price}.")
    return price
