"""A range whose writing goes on while the next one is reduced: nothing is lost, nothing is believed too early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from indexer import failpoints
from indexer.background import Deferred, Start, Threaded
from indexer.core.reducer import Decoded, Reducer, UndecodableError
from indexer.core.workspace import ReducerError
from indexer.store.errors import LostRaceError
from indexer.store.store import Store
from tests.fixtures.mirrorlog import CONTRACTS, World, block_of
from tests.fixtures.storelab import Mirror

NewMirror = Callable[..., Mirror]
SIZE = 40


def begin(mirror: Mirror, number: int, logs: list[Decoded]) -> None:
    mirror.position = mirror.store.begin_range(mirror.position, block_of(number), logs)


@contextmanager
def at(point: failpoints.Name, hook: Callable[[], None]) -> Iterator[None]:
    failpoints.install_hook(lambda name: hook() if name == point else None)
    try:
        yield
    finally:
        failpoints.install_hook(None)


def broken() -> None:
    raise OperationalError("COMMIT", {}, Exception("the connection is lost"))


def test_the_next_range_is_reduced_while_the_last_one_is_not_committed(new_mirror: NewMirror) -> None:
    """With almost nothing remembered between ranges every row not of the last range is loaded from the database."""
    mirror, plain = new_mirror(remembered_rows=1), new_mirror()
    world = World(21, people=4)
    reduced = threading.Event()
    waited: list[bool] = []
    with at("before_commit", lambda: waited.append(reduced.wait(20))):
        begin(mirror, 1, first := world.take(1, SIZE))
        real = mirror.store._reducer.apply

        def apply(*arguments: object) -> None:
            real(*arguments)  # type: ignore[arg-type]
            reduced.set()

        mirror.store._reducer.apply = apply  # type: ignore[method-assign]
        begin(mirror, 2, second := world.take(2, SIZE))
        mirror.store.flush()
    assert waited == [True, True]
    plain.append_range(block_of(1), first)
    plain.append_range(block_of(2), second)
    assert mirror.rows() == plain.rows()


@pytest.mark.parametrize("start", [Threaded, Deferred])
@pytest.mark.parametrize("remembered", [1, 50_000])
def test_many_ranges_leave_the_same_rows(new_mirror: NewMirror, start: Start, remembered: int) -> None:
    mirror, plain = new_mirror(remembered_rows=remembered), new_mirror()
    mirror.store._start = start
    world = World(22, people=6)
    for number in range(1, 9):
        logs = world.take(number, SIZE)
        begin(mirror, number, logs)
        plain.append_range(block_of(number), logs)
    mirror.append_block(block_of(9), logs := world.take(9, SIZE))
    plain.append_block(block_of(9), logs)
    assert mirror.rows() == plain.rows()


@pytest.mark.parametrize("start", [Threaded, Deferred])
@pytest.mark.parametrize("point", ["after_cas", "mid_copy", "before_commit"])
def test_a_write_that_fails_is_told_of_at_the_next_and_the_position_read_anew(
    new_mirror: NewMirror, start: Start, point: failpoints.Name
) -> None:
    mirror, plain = new_mirror(), new_mirror()
    mirror.store._start = start
    world = World(23, people=4)
    logs = [world.take(number, SIZE) for number in range(1, 4)]
    mirror.append_range(block_of(1), logs[0])
    held, before = mirror.position, mirror.rows()
    with at(point, broken):
        begin(mirror, 2, logs[1])
        assert mirror.position != held
        with pytest.raises(OperationalError):
            begin(mirror, 3, logs[2])
    assert mirror.rows() == before
    mirror.position = mirror.store.reload(held.epoch)
    assert mirror.position == held
    for number, each in ((2, logs[1]), (3, logs[2])):
        begin(mirror, number, each)
    mirror.store.flush()
    for number, each in enumerate(logs, 1):
        plain.append_range(block_of(number), each)
    assert mirror.rows() == plain.rows()


@pytest.mark.parametrize("start", [Threaded, Deferred])
def test_whoever_asks_for_the_position_waits_for_the_write(new_mirror: NewMirror, start: Start) -> None:
    mirror = new_mirror()
    mirror.store._start = start
    world = World(24, people=4)
    begin(mirror, 1, world.take(1, SIZE))
    assert mirror.store.reload(mirror.position.epoch) == mirror.position


def test_another_process_that_takes_over_is_noticed(new_mirror: NewMirror) -> None:
    mirror = new_mirror()
    world = World(25, people=4)
    mirror.append_range(block_of(1), world.take(1, SIZE))
    Store(mirror.engine, Reducer(CONTRACTS)).take_over(block_of(0))
    before = mirror.rows()
    begin(mirror, 2, world.take(2, SIZE))
    with pytest.raises(LostRaceError):
        begin(mirror, 3, world.take(3, SIZE))
    assert mirror.rows() == before


def test_what_cannot_be_reduced_costs_nothing_that_was_begun_before(
    new_mirror: NewMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = new_mirror()
    world = World(26, people=4)
    begin(mirror, 1, world.take(1, SIZE))
    good, logs = mirror.position, world.take(2, SIZE)
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise UndecodableError(logs[0].log, str(ReducerError("it cannot follow")))

        patch.setattr(mirror.store._reducer, "apply", refuse)
        with pytest.raises(UndecodableError):
            mirror.store.begin_range(good, block_of(2), logs)
    assert mirror.store.reload(good.epoch) == good
    begin(mirror, 2, logs)
    mirror.store.flush()
    assert mirror.store.reload(good.epoch) == mirror.position


def test_rows_of_the_one_that_took_over_are_no_contradiction_of_the_logs(new_mirror: NewMirror) -> None:
    """The newcomer is ahead: what it wrote does not fit the range the old one still holds. That is a lost race."""
    mirror = new_mirror()
    world = World(27, people=4)
    mirror.append_range(block_of(1), world.take(1, SIZE))
    newcomer = Mirror(mirror.engine, other := Store(mirror.engine, Reducer(CONTRACTS)), other.take_over(block_of(0)))
    logs = world.take(2, SIZE)
    newcomer.append_range(block_of(2), logs)
    mirror.store._remembered = None
    before = mirror.rows()
    with pytest.raises(LostRaceError):
        begin(mirror, 2, logs)
    assert mirror.rows() == before
