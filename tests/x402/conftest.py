"""One chain and one shop for all tests against the official packages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.services import start_anvil
from tests.x402.ground import Ground, build_ground
from tests.x402.market import Market, open_market


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    chain = start_anvil("--hardfork", "cancun")
    yield build_ground(chain)
    chain.close()


@pytest.fixture(scope="session")
def market(ground: Ground) -> Iterator[Market]:
    with open_market(ground) as running:
        yield running
