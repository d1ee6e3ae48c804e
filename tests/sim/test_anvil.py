"""The same on a real chain, with a real process that is really killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.anvil import AnvilStory, Ground, new_ground


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    ground = new_ground()
    yield ground
    ground.lab.chain.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_story_on_anvil_ends_well(seed: int, ground: Ground, fresh_pg_url: str, tmp_path: Path) -> None:
    report = AnvilStory(seed, ground, fresh_pg_url, tmp_path).run()
    assert report.logs
