"""Every guard of the transaction manager holds its story, and no story ends well without its guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import DBAPIError, SAWarning

from tests.fixtures.moneylab import World
from tests.fixtures.services import create_database, start_anvil
from tests.integration.money.txm_guards import GUARDS, Guard

pytestmark = pytest.mark.timeout(300)
BROKEN = (AssertionError, DBAPIError, SAWarning, ValueError, pytest.fail.Exception)
"""How a story may end badly. Anything else would be a mistake of the story itself."""
STORIES = {guard.story: str(guard) for guard in GUARDS}


@pytest.fixture
def spoilt(postgres, tmp_path_factory) -> Iterator[World]:
    """A world of its own for a story that goes wrong."""
    chain = start_anvil()
    made = World(chain, create_database(postgres), tmp_path_factory.mktemp("deployment"))
    yield made
    made.close()
    chain.close()


@pytest.mark.parametrize("story", STORIES, ids=STORIES.values())
def test_the_guard_holds(story, world: World) -> None:
    story(world)


@pytest.mark.removal
@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_without_the_guard_it_breaks(guard: Guard, spoilt: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.remove(monkeypatch)
    try:
        guard.story(spoilt)
    except BROKEN as error:
        print(f"{guard}: {type(error).__name__}: {str(error)[:200]}")
        return
    pytest.fail(f"{guard}: nothing went wrong without it")
