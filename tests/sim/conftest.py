"""A database a module, whose schema stays, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from tests.fixtures.services import create_database
from tests.sim.clock import Clock, replaced_time
from tests.sim.crew import quiet
from tests.sim.sandbox import Sandbox
from tests.sim.scene import Scene


@pytest.fixture(scope="session")
def sandbox(postgres: URL) -> Iterator[Sandbox]:
    quiet()
    sandbox = Sandbox(create_database(postgres))
    yield sandbox
    sandbox.close()


@pytest.fixture
def scene(sandbox: Sandbox) -> Iterator[Scene]:
    sandbox.empty()
    clock = Clock()
    with replaced_time(clock):
        scene = Scene(sandbox, clock)
        yield scene
        scene.close()
