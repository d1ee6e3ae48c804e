"""A world with a funded pool and two shards, for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.moneylab import USDC, World
from tests.fixtures.services import create_database, start_anvil
from tests.fixtures.voucherlab import Shards

POOL = 2 * USDC


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory) -> Iterator[World]:
    chain = start_anvil()
    made = World(chain, create_database(postgres), tmp_path_factory.mktemp("deployment"))
    made.deposit(POOL)
    yield made
    made.close()
    chain.close()


@pytest.fixture(scope="module")
def shards(world: World) -> Iterator[Shards]:
    made = Shards(world).start()
    yield made
    made.close()
