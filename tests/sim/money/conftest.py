"""A database a session, emptied between stories."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from sqlalchemy import URL

from tests.fixtures.services import create_database
from tests.sim.money.service import MoneySandbox
from tests.sim.money.stage import Stage


@pytest.fixture(scope="session")
def bank(postgres: URL) -> Iterator[MoneySandbox]:
    bank = MoneySandbox(create_database(postgres))
    yield bank
    bank.close()


@pytest.fixture
def stage(bank: MoneySandbox) -> Iterator[Stage]:
    stage = Stage(bank, Random(4), settle_gas_multiple=3, native_price_units=3_000_000)
    stage.rounds = 25
    with stage.entered():
        yield stage
