"""Every guard of the money engine holds its scenario, and no scenario ends well without its guard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from backend.errors import Problem
from backend.txm.keys import SignerUnavailable
from tests.sim.money.guards import GUARDS, Guard
from tests.sim.money.stage import Stage

BROKEN = (AssertionError, DBAPIError, Problem, SignerUnavailable)
"""How a scenario may end badly. Anything else would be a mistake of the scenario itself."""
ROWS = {
    *(f"T{number}" for number in range(1, 20)),
    *("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P11"),
}
"""What is about money. T13, T14, P4, P5 and P11 have tests with real processes besides; P10 is `test_machine.py`, and
P12 asks the API (`tests/integration/api/test_fuzz.py`)."""


@pytest.fixture(params=GUARDS, ids=str)
def guard(request: pytest.FixtureRequest) -> Guard:
    guard: Guard = request.param
    return guard


def test_every_row_of_the_fault_table_has_a_guard() -> None:
    assert {guard.row for guard in GUARDS} == ROWS
    table = Path(__file__).parents[3].joinpath("docs/Simulation.md").read_text(encoding="utf-8")
    rows = {row for cell in re.findall(r"^\| ([TP]\d[^|]*) \|", table, re.MULTILINE) for row in cell.split(", ")}
    assert rows == ROWS | {"P12"}


def test_every_guard_is_still_where_it_is_taken_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for guard in GUARDS:
        with monkeypatch.context() as patch:
            guard.remove(patch)


@pytest.mark.long
def test_the_guard_holds(guard: Guard, stage: Stage) -> None:
    guard.scenario(stage)


@pytest.mark.removal
def test_without_the_guard_it_breaks(guard: Guard, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.remove(monkeypatch)
    try:
        guard.scenario(stage)
    except BROKEN as error:
        print(f"{guard}: {type(error).__name__}: {str(error)[:200]}")
        return
    pytest.fail(f"{guard}: nothing went wrong without it")
