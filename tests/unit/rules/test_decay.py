"""The table of decay is what it says, and what it does to a score."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.rules.decay import DAY, DECAY, MAX_DAYS, ONE, days_between, decayed

scores = st.integers(0, 10_000)
days = st.integers(0, MAX_DAYS)


def test_the_table_is_the_exponential_rounded_down() -> None:
    with localcontext() as context:
        context.prec = 60
        assert list(DECAY) == [int(Decimal(ONE) * (Decimal(-day) / 10).exp()) for day in range(366)]


def test_about_half_is_left_after_seven_days() -> None:
    assert decayed(10_000, 2_000, 7) == 5_972
    assert decayed(10_000, 0, 7) == 4_965
    assert decayed(10_000, 2_000, 0) == 10_000
    assert decayed(10_000, 2_000, MAX_DAYS) == 2_000


@given(scores, scores, days, days)
def test_a_score_goes_from_base_to_recent_and_no_further(base: int, recent: int, one: int, other: int) -> None:
    sooner, later = sorted((decayed(base, recent, min(one, other)), decayed(base, recent, max(one, other))))
    assert min(base, recent) <= sooner <= later <= max(base, recent)
    if base >= recent:
        assert decayed(base, recent, max(one, other)) <= decayed(base, recent, min(one, other))


def test_days_are_full_days_and_capped() -> None:
    assert [days_between(0, n) for n in (0, DAY - 1, DAY, 400 * DAY)] == [0, 0, 1, 365]
    with pytest.raises(ValueError, match="before"):
        days_between(1, 0)
    for wrong in ((1, 1, -1), (1, 1, 366), (-1, 1, 1)):
        with pytest.raises(ValueError, match=r"0 to 365|at least 0"):
            decayed(*wrong)
