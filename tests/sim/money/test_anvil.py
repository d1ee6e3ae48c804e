"""The same on a real chain, with a worker that is really killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.services import Anvil
from tests.sim.money.anvil import new_chain, told


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    chain = new_chain()
    yield chain
    chain.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("money")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_story_on_anvil_ends_with_everybody_paid(seed: int, chain: Anvil, ground: Path, fresh_pg_url: str) -> None:
    report = told(seed, chain, fresh_pg_url, ground)
    assert report.happened["intent_final"]
