"""Prices follow the published formula; quotes are worth what their inputs say."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aicp.abi.reputation import Record
from aicp.abi.signing import MalformedSignatureError, address_of
from aicp.abi.typed_data import Quote, marketplace_domain
from aicp.rules.pricing import (
    URGENCY_BPS,
    QuoteError,
    Tier,
    check_quote,
    counts_of,
    multiplier_of,
    price_of,
    price_units,
    quote,
    sign_quote,
    success_rate_bps,
    tier_of,
)
from aicp.rules.primitives import MAX_UINT96, keccak

KEY = keccak(b"operator")
DOMAIN = marketplace_domain(31337, b"\x11" * 20)
bases = st.integers(0, 10**12)
rates = st.integers(0, 10_000)
complexities = st.integers(1, 10)
urgencies = st.sampled_from(sorted(URGENCY_BPS.values()))


def test_the_worked_example_gives_three() -> None:
    price = price_of(1_000_000, successes=95, decided=100, complexity=1, urgency="1.0")
    assert price.units == 3_000_000
    assert [(factor.name, factor.bps) for factor in price.factors] == [
        ("multiplier", 20_000),
        ("complexity", 15_000),
        ("urgency", 10_000),
    ]
    assert price.factors[0].because == "95 of 100 decided escrows succeeded (95.00%)"


@pytest.mark.parametrize(("successes", "multiplier"), [(95, 20_000), (90, 18_000), (70, 12_000)])
def test_the_sample_agents(successes: int, multiplier: int) -> None:
    assert multiplier_of(successes, 100)[1] == multiplier


@pytest.mark.parametrize(
    ("rate", "tier", "multiplier"),
    [
        (10_000, Tier.EXCELLENT, 20_000),
        (9_500, Tier.EXCELLENT, 20_000),
        (9_499, Tier.VERY_GOOD, 18_000),
        (9_000, Tier.VERY_GOOD, 18_000),
        (8_999, Tier.GOOD, 15_000),
        (8_000, Tier.GOOD, 15_000),
        (7_999, Tier.FAIR, 12_000),
        (7_000, Tier.FAIR, 12_000),
        (6_999, Tier.LOW, 5_000),
        (0, Tier.LOW, 5_000),
    ],
)
def test_edges_belong_to_the_better_tier(rate: int, tier: Tier, multiplier: int) -> None:
    assert tier_of(rate) == (tier, multiplier)
    assert multiplier_of(rate, 10_000) == (tier, multiplier)


def test_a_wallet_earns_no_multiplier_before_ten_escrows() -> None:
    assert multiplier_of(9, 9) == (Tier.NEW, 10_000)
    assert multiplier_of(0, 9) == (Tier.NEW, 10_000)
    assert multiplier_of(10, 10) == (Tier.EXCELLENT, 20_000)
    assert "9 of 10" in price_of(1, successes=9, decided=9, complexity=1, urgency="1.0").factors[0].because


@given(bases, rates, complexities, urgencies)
def test_a_price_is_the_product_rounded_half_up(base: int, rate: int, complexity: int, urgency: int) -> None:
    multiplier = tier_of(rate)[1]
    exact = Fraction(base * multiplier * urgency, 10**8) * (1 + Fraction(complexity, 2))
    price = price_units(base, multiplier, complexity, urgency)
    assert price - Fraction(1, 2) <= exact < price + Fraction(1, 2)


@given(bases, bases, rates, rates, complexities, complexities, urgencies, urgencies)
def test_no_factor_that_grows_makes_it_cheaper(  # noqa: PLR0917
    base: int, more: int, rate: int, better: int, complexity: int, harder: int, urgency: int, sooner: int
) -> None:
    low = price_units(min(base, more), tier_of(min(rate, better))[1], min(complexity, harder), min(urgency, sooner))
    high = price_units(max(base, more), tier_of(max(rate, better))[1], max(complexity, harder), max(urgency, sooner))
    assert low <= high


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_rate_never_rises_over_an_edge_by_rounding(successes: int, failures: int) -> None:
    decided = successes + failures
    rate = success_rate_bps(successes, decided)
    for edge in (7_000, 8_000, 9_000, 9_500):
        assert (rate >= edge) == (decided > 0 and Fraction(successes, decided) >= Fraction(edge, 10_000))


def test_the_record_on_chain_gives_the_counts() -> None:
    record = Record(completed=19, failed=2, disputed=7, lost=1, settled_value=5, last_outcome_at=9)
    assert counts_of(record) == (19, 22)


def a_quote(**changes: object) -> Quote:
    made = quote(
        b"\xaa" * 20,
        1_000_000,
        successes=19,
        decided=20,
        complexity=3,
        urgency="1.25",
        as_of_block=99,
        valid_until=1_000,
    )
    return replace(made, **changes)


def test_a_quote_is_worth_its_price() -> None:
    made = a_quote()
    signature = sign_quote(made, DOMAIN, KEY)
    assert check_quote(made, signature, DOMAIN, operator=address_of(KEY), now=1_000) == made.price == 6_250_000


@pytest.mark.parametrize(
    ("changes", "now", "message"),
    [
        ({}, 1_001, "has ended"),
        ({"formula": 2}, 0, "version 2"),
        ({"price": 6_250_001}, 0, "its inputs give 6250000"),
        ({"successes": 18}, 0, "its inputs give"),
        ({"successes": 21}, 0, "cannot be"),
        ({"complexity": 11}, 0, "cannot be"),
        ({"urgency_bps": 1}, 0, "urgency"),
    ],
)
def test_a_wrong_quote_is_refused_even_with_the_right_signature(
    changes: dict[str, object], now: int, message: str
) -> None:
    made = a_quote(**changes)
    with pytest.raises(QuoteError, match=message):
        check_quote(made, sign_quote(made, DOMAIN, KEY), DOMAIN, operator=address_of(KEY), now=now)


def test_a_quote_of_somebody_else_is_refused() -> None:
    made = a_quote()
    with pytest.raises(QuoteError, match="not signed by the operator"):
        check_quote(made, sign_quote(made, DOMAIN, keccak(b"x")), DOMAIN, operator=address_of(KEY), now=0)
    other = marketplace_domain(31337, b"\x22" * 20)
    with pytest.raises(QuoteError, match="not signed by the operator"):
        check_quote(made, sign_quote(made, other, KEY), DOMAIN, operator=address_of(KEY), now=0)
    with pytest.raises(MalformedSignatureError):
        check_quote(made, b"", DOMAIN, operator=address_of(KEY), now=0)


def test_what_cannot_be_has_no_price() -> None:
    for wrong in ((-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 11, 1), (1, 1, 1, -1)):
        with pytest.raises(ValueError, match=r"price needs|complexity"):
            price_units(*wrong)
    with pytest.raises(ValueError, match="successes"):
        success_rate_bps(2, 1)
    with pytest.raises(ValueError, match="rate"):
        tier_of(10_001)
    with pytest.raises(ValueError, match="urgency"):
        price_of(1, successes=0, decided=0, complexity=1, urgency="2.0")
    with pytest.raises(ValueError, match="does not fit"):
        quote(
            b"\xaa" * 20,
            MAX_UINT96,
            successes=0,
            decided=0,
            complexity=1,
            urgency="1.0",
            as_of_block=0,
            valid_until=0,
        )
