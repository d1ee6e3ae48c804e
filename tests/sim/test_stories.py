"""Short stories: whatever happens to node, database and process, the mirror ends equal to the oracle."""

from __future__ import annotations

import pytest

from tests.sim.campaign import tell
from tests.sim.sandbox import Sandbox
from tests.sim.scheduler import ENABLED, Report
from tests.sim.seeds import NOTABLE, SHORT


@pytest.mark.parametrize("seed", SHORT)
def test_a_story_ends_well(seed: int, sandbox: Sandbox) -> None:
    outcome = tell(seed, sandbox)
    assert isinstance(outcome, Report), outcome
    assert outcome.logs


@pytest.mark.parametrize("seed", sorted({notable.seed for notable in NOTABLE}))
def test_a_story_that_once_found_something(seed: int, sandbox: Sandbox) -> None:
    outcome = tell(seed, sandbox)
    assert isinstance(outcome, Report), outcome


def test_a_story_told_twice_is_the_same(sandbox: Sandbox) -> None:
    first, second = tell(SHORT[0], sandbox), tell(SHORT[0], sandbox)
    assert isinstance(first, Report)
    assert first == second


def test_faults_of_every_kind_are_injected(sandbox: Sandbox) -> None:
    """Over a few stories each kind that is enabled happens: a fault nobody injects proves nothing."""
    happened: set[str] = set()
    for seed in range(400, 440):
        outcome = tell(seed, sandbox)
        assert isinstance(outcome, Report), outcome
        happened |= set(outcome.happened)
        if happened >= set(ENABLED):
            return
    assert not set(ENABLED) - happened
