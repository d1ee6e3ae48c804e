"""Agents are killed at random under load: tasks still complete, as long as three agents a capability live."""

from __future__ import annotations

import pytest

from scripts.bench.scheduler import CHAOS_TASKS, Chaos


def test_tasks_complete_although_agents_die() -> None:
    found = Chaos(seed=7).run(2_000)
    assert found.completed + found.late == found.tasks == 2_000
    assert found.share >= 0.9999, found
    assert found.kills > 20, found
    assert found.lost > 50, found
    assert Chaos(seed=7).run(2_000) == found


def test_without_failover_they_do_not() -> None:
    found = Chaos(seed=7, failing_over=False).run(1_000)
    assert found.completed + found.lost == found.tasks
    assert found.share < 0.98, found


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_thirty_thousand_complete(seed: int) -> None:
    found = Chaos(seed).run(CHAOS_TASKS)
    assert found.share >= 0.9999, found
    assert found.lost > CHAOS_TASKS // 50, found
