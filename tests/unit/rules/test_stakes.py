"""Stakes after an outcome; the same rows are compared with the contract's own library in tests/forge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.abi.enums import Outcome
from aicp.rules.fees import required_stake
from aicp.rules.stakes import stake_effect

units = st.integers(1, 10**15)
outcomes = st.sampled_from(list(Outcome))


@given(outcomes, units, units, units, units)
def test_never_more_than_the_lock_is_taken_and_never_more_than_half_the_fee_given(
    outcome: Outcome, one: int, other: int, fee: int, pool: int
) -> None:
    amount, refunded = max(one, other), min(one, other)
    effect = stake_effect(outcome, amount_units=amount, refunded_units=refunded, fee_units=fee, bonus_pool_units=pool)
    lock = required_stake(amount)
    assert 0 <= effect.to_client + effect.to_pool <= lock
    assert effect.to_pool == 0 or effect.to_client == lock // 2
    assert 2 * effect.bonus <= fee
    assert effect.bonus <= min(pool, lock // 20)
    assert effect.bonus == 0 or effect.to_client == 0


def test_the_outcome_table() -> None:
    def taken(outcome: Outcome) -> tuple[int, int]:
        effect = stake_effect(
            outcome, amount_units=10_000_000, refunded_units=10_000_000, fee_units=0, bonus_pool_units=0
        )
        return effect.to_client, effect.to_pool

    assert taken(Outcome.RETURNED) == (200_000, 0)
    assert taken(Outcome.MISSED) == (1_000_000, 0)
    assert taken(Outcome.LOST) == (1_000_000, 1_000_000)
    for harmless in (Outcome.COMPLETED, Outcome.SETTLED, Outcome.WON, Outcome.TIE, Outcome.STALLED):
        assert taken(harmless) == (0, 0)


def test_what_cannot_be_is_refused() -> None:
    for amount, refunded in ((0, 0), (1, 2), (1, -1)):
        with pytest.raises(ValueError, match="amount"):
            stake_effect(Outcome.LOST, amount_units=amount, refunded_units=refunded, fee_units=0, bonus_pool_units=0)
