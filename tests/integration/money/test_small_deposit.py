"""A deposit that is not worth its gas is not relayed."""

from __future__ import annotations

import pytest

from backend.payments.errors import DepositTooSmall
from tests.fixtures.moneylab import World


def test_a_deposit_below_the_least_is_refused_and_nothing_is_sent(world: World) -> None:
    least = world.ctx.settings.min_deposit_units
    asked = "SELECT count(*) FROM txm.intent WHERE kind = 'pool_deposit'"
    before = world.one(asked)
    with pytest.raises(DepositTooSmall) as refused:
        world.deposit(least - 1)
    assert refused.value.code == "deposit_too_small"
    assert world.one(asked) == before
    world.deposit(least)
    assert world.one(asked) == before + 1
