from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.rules.fees import fee, required_stake


def test_fee_rounds_down_and_stake_rounds_up() -> None:
    assert fee(25_000_000, 250) == 625_000
    assert fee(39, 250) == 0
    assert fee(40, 250) == 1
    assert required_stake(25_000_000) == 5_000_000
    assert required_stake(1) == 1
    assert required_stake(0) == 0


@given(st.integers(0, 2**96 - 1), st.integers(0, 500), st.data())
def test_slicing_a_release_never_changes_the_fee(amount: int, bps: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, amount))
    assert (fee(cut, bps) - fee(0, bps)) + (fee(amount, bps) - fee(cut, bps)) == fee(amount, bps)
    assert fee(amount, bps) <= amount


@given(st.integers(0, 2**96 - 1))
def test_the_stake_covers_its_share_and_not_a_unit_more(amount: int) -> None:
    stake = required_stake(amount)
    assert amount * 2000 <= stake * 10_000 < amount * 2000 + 10_000


@pytest.mark.parametrize(("amount", "bps"), [(-1, 250), (1, -1), (1, 10_001)])
def test_nonsense_is_refused(amount: int, bps: int) -> None:
    with pytest.raises(ValueError, match="fee"):
        fee(amount, bps)
