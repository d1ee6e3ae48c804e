"""How fast a specialty's score finds the truth, over seeded agents.

The model: an agent's results are worth q of 100, uniform in 20..95; it gives back a task with a chance uniform in
0..5%. The buyer of a good result rates q, give or take up to 20. Twenty tasks of 20 to 100 USDC, for buyers drawn at
random from a hundred, in two months. The truth is what the published formula gives for the agent's own q and chance.
"""

from __future__ import annotations

import random

import pytest

from aicp.abi.enums import Outcome
from aicp.rules.epochs import evidence_of
from aicp.rules.facts import Deal
from aicp.rules.reputation import specialty_score
from tests.unit.rules.markets import account, deal, inputs, witnesses


def simulate(agents: int, seed: int) -> tuple[float, float]:
    """Return the shares within 5.00 of the truth: of all agents, and of those whose truth is below 100.00."""
    dice = random.Random(seed)
    deals: list[Deal] = witnesses(100)
    truth: dict[bytes, float] = {}
    for agent in range(agents):
        quality, returns = dice.uniform(20, 95), dice.uniform(0, 0.05)
        for number in range(20):
            failed = dice.random() < returns
            rating = max(0, min(100, round(quality + dice.uniform(-20, 20))))
            deals.append(
                deal(
                    f"buyer {dice.randrange(100)}",
                    f"agent {agent}",
                    dice.randrange(20, 101),
                    outcome=Outcome.RETURNED if failed else Outcome.COMPLETED,
                    days_ago=dice.randrange(60),
                    rating=None if failed else rating,
                    number=number,
                )
            )
        base = (1 - returns) * (10_000 + quality * 100) / 2 + returns * 4_500
        truth[account(f"agent {agent}")] = min(10_000.0, base * (1 + 0.5 * (1 - returns)))
    near, below = [], []
    for about in evidence_of(inputs(), deals):
        if about.agent in truth:
            close = abs(specialty_score(about, lambda one: True) - truth[about.agent]) <= 500
            near.append(close)
            if truth[about.agent] < 10_000:
                below.append(close)
    return sum(near) / len(near), sum(below) / max(len(below), 1)


def test_nine_of_ten_specialty_scores_are_near_the_truth_after_twenty_tasks() -> None:
    near, _ = simulate(1_000, seed=20)
    assert near >= 0.9


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_so_they_are_whatever_the_dice(seed: int) -> None:
    near, below = simulate(1_000, seed)
    print(f"\n  1,000 agents, 20 tasks each, seed {seed:2}: {near:.1%} within 5.00 of the truth, "
          f"{below:.1%} of those below 100.00", end="")  # fmt: skip
    assert near >= 0.9
