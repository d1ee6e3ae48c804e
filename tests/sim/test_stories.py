"""Short stories: whatever happens to node, database and process, the mirror ends equal to the oracle."""

from __future__ import annotations

import pytest

from tests.sim.campaign import tell
from tests.sim.sandbox import Sandbox
from tests.sim.scheduler import Report
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
