"""One world and one running gateway for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.services import create_database, start_anvil
from tests.x402.gateway.lab import Lab, build_world, open_lab


@pytest.fixture(scope="session")
def lab(postgres, tmp_path_factory) -> Iterator[Lab]:
    chain = start_anvil()
    world = build_world(chain, create_database(postgres), tmp_path_factory.mktemp("gateway"))
    with open_lab(world) as made:
        yield made
    world.close()
    chain.close()
