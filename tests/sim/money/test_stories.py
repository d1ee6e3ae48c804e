"""Short stories of money, told at every run, and those that once found something."""

from __future__ import annotations

import pytest

from tests.sim.money.seeds import NOTABLE, SHORT
from tests.sim.money.service import MoneySandbox
from tests.sim.money.story import STEPS, Story


@pytest.mark.parametrize("seed", SHORT)
def test_a_story_ends_with_everybody_paid(seed: int, bank: MoneySandbox) -> None:
    report = Story(seed, bank).run()
    assert report.steps == STEPS
    assert report.happened["intent_final"]


@pytest.mark.parametrize("seed", sorted({notable.seed for notable in NOTABLE}))
def test_a_story_that_once_found_something(seed: int, bank: MoneySandbox) -> None:
    Story(seed, bank).run()


def test_the_same_seed_tells_the_same_story(bank: MoneySandbox) -> None:
    first, second = Story(7, bank).run(), Story(7, bank).run()
    assert first == second
