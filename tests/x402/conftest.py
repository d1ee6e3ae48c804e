"""One chain and two shops for all tests against the official packages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.services import start_anvil
from tests.x402.ground import Ground, build_ground
from tests.x402.market import Market, open_market, python_facilitator, typescript_facilitator


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    chain = start_anvil("--hardfork", "cancun")
    try:
        yield build_ground(chain)
    finally:
        chain.close()


@pytest.fixture(scope="session")
def python_market(ground: Ground) -> Iterator[Market]:
    with python_facilitator(ground) as facilitators, open_market(ground, facilitators) as market:
        yield market


@pytest.fixture(scope="session")
def typescript_market(ground: Ground) -> Iterator[Market]:
    with typescript_facilitator(ground) as facilitators, open_market(ground, facilitators) as market:
        yield market
