"""Every guard holds its scenario, and no scenario ends well without its guard."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from indexer.chain.errors import ChainError
from indexer.core.chain_view import ChainViewError
from indexer.core.reducer import UndecodableError
from indexer.store.errors import LostRaceError
from tests.sim.clock import Livelock
from tests.sim.guards import GUARDS, Guard
from tests.sim.scene import Scene

BROKEN = (
    AssertionError, DBAPIError, ChainError, ChainViewError, UndecodableError, LostRaceError, KeyError, Livelock,
    pytest.fail.Exception,
)  # fmt: skip
"""How a scenario may end badly. Anything else would be a mistake of the scenario itself."""


@pytest.fixture(params=GUARDS, ids=str)
def guard(request: pytest.FixtureRequest) -> Guard:
    guard: Guard = request.param
    return guard


def test_every_row_of_the_fault_table_has_a_guard() -> None:
    assert {guard.row for guard in GUARDS} == {f"I{number}" for number in range(1, 20)}


def test_the_guard_holds(guard: Guard, scene: Scene) -> None:
    guard.scenario(scene)


@pytest.mark.removal
def test_without_the_guard_it_breaks(guard: Guard, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.remove(monkeypatch)
    try:
        guard.scenario(scene)
    except BROKEN as error:
        print(f"{guard}: {type(error).__name__}: {str(error)[:200]}")
        return
    pytest.fail(f"{guard}: nothing went wrong without it")
