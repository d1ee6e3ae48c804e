"""A world a module: contracts, mirror, tables and keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.moneylab import World
from tests.fixtures.services import create_database, start_anvil


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory) -> Iterator[World]:
    chain = start_anvil()
    made = World(chain, create_database(postgres), tmp_path_factory.mktemp("deployment"))
    yield made
    made.close()
    chain.close()
