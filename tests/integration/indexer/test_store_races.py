"""Writes that are cut off, come twice or come second: the mirror holds the whole of one or nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from aicp.abi.payment_channel import Claimed
from indexer import failpoints
from indexer.core.reducer import Decoded, Reducer, UndecodableError
from indexer.store.engine import engine
from indexer.store.errors import LostRaceError
from indexer.store.schema import PHYSICAL
from indexer.store.store import Position, Store
from tests.fixtures.mirrorlog import CONTRACTS, World, block_of
from tests.fixtures.services import wait_for
from tests.fixtures.storelab import IDENTITY, Mirror, drop_mirror, open_mirror

NewMirror = Callable[..., Mirror]
Write = Callable[[Mirror, list[Decoded]], Position]


def block(mirror: Mirror, logs: list[Decoded]) -> Position:
    return mirror.store.append_block(mirror.position, block_of(mirror.position.view.head.number + 1), logs)


def stretch(mirror: Mirror, logs: list[Decoded]) -> Position:
    return mirror.store.append_range(mirror.position, block_of(mirror.position.view.head.number + 1), logs)


def back(mirror: Mirror, logs: list[Decoded]) -> Position:
    return mirror.store.revert(mirror.position, block_of(mirror.position.view.head.number - 1))


def marks(mirror: Mirror, logs: list[Decoded]) -> Position:
    head = mirror.position.view.head.number
    return mirror.store.finalise(mirror.position, head, block_of(head - 1))


WRITES: dict[str, Write] = {"append_block": block, "append_range": stretch, "revert": back, "finalise": marks}
POINTS: list[tuple[str, failpoints.Name]] = [
    *((name, point) for name in WRITES for point in ("after_cas", "before_commit")),
    ("append_block", "mid_copy"), ("append_range", "mid_copy"), ("revert", "after_undo"),
]  # fmt: skip


def started(mirror: Mirror, name: str) -> list[Decoded]:
    """Fill the mirror so that `name` can be written next, and return the logs of the next block.

    A range needs everything before it to be final; the other writes need a window.
    """
    world = World(5, people=5)
    mirror.append_range(block_of(2), world.take(2, 120))
    if name != "append_range":
        for number in (3, 4):
            mirror.append_block(block_of(number), world.take(number, 30))
    return world.take(mirror.position.view.head.number + 1, 30)


class Cut(Exception):
    """What a hook raises in place of a crash."""


@contextmanager
def cut_at(point: failpoints.Name) -> Iterator[None]:
    def hook(name: failpoints.Name) -> None:
        if name == point:
            raise Cut

    failpoints.install_hook(hook)
    try:
        yield
    finally:
        failpoints.install_hook(None)


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[" at ".join(pair) for pair in POINTS])
def test_a_write_cut_off_leaves_nothing(new_mirror: NewMirror, name: str, point: failpoints.Name) -> None:
    mirror, twin = new_mirror(), new_mirror()
    logs = started(mirror, name)
    before = mirror.rows()
    with cut_at(point), pytest.raises(Cut):
        WRITES[name](mirror, logs)
    assert mirror.rows() == before
    mirror.position = mirror.store.reload(mirror.position.epoch)
    assert started(twin, name) == logs
    for each in (mirror, twin):
        each.position = WRITES[name](each, logs)
    assert mirror.rows() == twin.rows() != before


@pytest.mark.parametrize("name", WRITES)
def test_a_crash_after_the_commit_loses_nothing(new_mirror: NewMirror, name: str) -> None:
    mirror, twin = new_mirror(), new_mirror()
    logs = started(mirror, name)
    with cut_at("after_commit"), pytest.raises(Cut):
        WRITES[name](mirror, logs)
    assert started(twin, name) == logs
    twin.position = WRITES[name](twin, logs)
    assert mirror.store.reload(mirror.position.epoch) == twin.position
    assert mirror.rows() == twin.rows()


@pytest.mark.parametrize("answered", [False, True], ids=["commit lost", "only its answer lost"])
@pytest.mark.parametrize("name", WRITES)
def test_a_commit_without_an_answer_is_found_out(new_mirror: NewMirror, name: str, answered: bool) -> None:
    """Row I14, for each of the four writes."""
    mirror, twin = new_mirror(), new_mirror()
    logs = started(mirror, name)
    assert started(twin, name) == logs
    lost: list[int] = []

    def lose(connection: Connection) -> None:
        if not lost:
            lost.append(1)
            if answered:
                connection.connection.commit()
            raise OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection"))

    before = mirror.rows()
    event.listen(mirror.engine, "commit", lose)
    with pytest.raises(OperationalError):
        WRITES[name](mirror, logs)
    twin_before = twin.position
    twin.position = WRITES[name](twin, logs)
    mirror.position = mirror.store.reload(mirror.position.epoch)
    assert lost
    assert mirror.position == (twin.position if answered else twin_before)
    assert mirror.rows() == (twin.rows() if answered else before)


@pytest.mark.parametrize("name", WRITES)
def test_the_epoch_alone_stops_the_one_that_started_first(new_mirror: NewMirror, name: str) -> None:
    """The newcomer has written nothing yet: number and hash are still what the first one believes."""
    first = new_mirror()
    logs = started(first, name)
    before = first.rows()
    newcomer = open_mirror(first.engine)
    assert newcomer.position.view == first.position.view
    with pytest.raises(LostRaceError):
        WRITES[name](first, logs)
    after = first.rows()
    assert after.pop("cursor") != before.pop("cursor")  # the epoch
    assert after == before


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("column", ["number", "hash"])
def test_number_and_hash_alone_stop_a_write_too(new_mirror: NewMirror, name: str, column: str) -> None:
    mirror = new_mirror()
    logs = started(mirror, name)
    moved = {"number": "number + 1", "hash": "decode(repeat('aa', 32), 'hex')"}[column]
    with mirror.engine.begin() as connection:
        connection.execute(text(f"UPDATE {PHYSICAL}.cursor SET {column} = {moved}"))
    before = mirror.rows()
    with pytest.raises(LostRaceError):
        WRITES[name](mirror, logs)
    assert mirror.rows() == before


def test_rows_another_indexer_has_changed_are_never_taken_from_memory(new_mirror: NewMirror) -> None:
    """It comes, writes and goes; the first one is turned away, starts again and must read what is there now."""
    first, alone = new_mirror(), new_mirror()
    for each in (first, alone):
        started(each, "append_block")
    world = World(5, people=5)
    for number, size in ((2, 120), (3, 30), (4, 30)):
        world.take(number, size)
    blocks = [world.take(number, 60) for number in (5, 6)]
    second = open_mirror(first.engine)
    second.append_block(block_of(5), blocks[0])
    with pytest.raises(LostRaceError):
        first.append_block(block_of(5), blocks[0])
    first.position = first.store.take_over(block_of(0))
    first.append_block(block_of(6), blocks[1])
    for number, logs in enumerate(blocks, start=5):
        alone.append_block(block_of(number), logs)
    found, expected = first.rows(), alone.rows()
    del found["cursor"], expected["cursor"]  # other epochs
    assert found == expected


def test_nothing_is_remembered_at_another_position(new_mirror: NewMirror) -> None:
    """What a caller hands in may be another position than the last one returned: only its own rows are valid there."""
    mirror, world = new_mirror(), World(5, people=5)
    mirror.append_range(block_of(2), world.take(2, 200))
    other = open_mirror(mirror.engine)
    other.append_range(block_of(3), world.take(3, 30))
    mirror.position = other.position  # the same epoch and chain, one range on
    mirror.append_range(block_of(4), world.take(4, 200))
    alone, world = new_mirror(), World(5, people=5)
    for number, size in ((2, 200), (3, 30), (4, 200)):
        alone.append_range(block_of(number), world.take(number, size))
    found, expected = mirror.rows(), alone.rows()
    del found["cursor"], expected["cursor"]  # other epochs
    assert found == expected


def test_a_reload_forgets(new_mirror: NewMirror) -> None:
    mirror, world = new_mirror(), World(5, people=5)
    mirror.append_range(block_of(2), world.take(2, 200))
    with mirror.engine.begin() as connection:
        connection.execute(text(f"UPDATE {PHYSICAL}.pool SET operator = decode(repeat('bb', 20), 'hex')"))
    mirror.position = mirror.store.reload(mirror.position.epoch)
    mirror.append_range(block_of(3), world.take(3, 200))
    with mirror.engine.connect() as connection:
        operators = connection.execute(text(f"SELECT DISTINCT operator FROM {PHYSICAL}.pool")).scalars().all()
    assert operators == [b"\xbb" * 20]


def test_a_contradiction_forgets_what_it_changed_in_memory(new_mirror: NewMirror) -> None:
    mirror, twin = new_mirror(), new_mirror()
    good = started(mirror, "append_block")
    assert started(twin, "append_block") == good
    claims = [item for item in good if isinstance(item.event, Claimed)]
    with pytest.raises(UndecodableError, match="a claim is missing"):
        mirror.append_block(block_of(5), [*good, *claims])
    for each in (mirror, twin):
        each.append_block(block_of(5), good)
    assert mirror.rows() == twin.rows()


def test_a_mirror_dropped_by_a_rebuild_is_a_lost_race(new_mirror: NewMirror) -> None:
    first = new_mirror()
    logs = started(first, "append_block")
    drop_mirror(first.engine)
    with pytest.raises(LostRaceError):
        block(first, logs)
    with pytest.raises(LostRaceError):
        first.store.reload(first.position.epoch)


def test_a_mirror_built_anew_is_not_mixed_with_what_is_remembered(new_mirror: NewMirror) -> None:
    """It starts at the very block, in the very epoch the old one had reached."""
    mirror, twin = new_mirror(), new_mirror()
    mirror.append_range(block_of(2), World(5, people=5).take(2, 60))
    old = mirror.position
    drop_mirror(mirror.engine)
    mirror.store.install(IDENTITY)
    mirror.position = mirror.store.take_over(block_of(2))
    assert mirror.position == old
    logs = World(5, people=5).take(3, 60)
    mirror.append_range(block_of(3), logs)
    twin.append_range(block_of(3), logs)
    assert mirror.rows() == twin.rows()


def test_the_engine_of_the_indexer_waits_for_nothing_endlessly(pg_url: str) -> None:
    limited = engine(pg_url)
    with limited.connect() as connection:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(text(f"SELECT current_setting('{name}')")).scalar_one() not in {"0", ""}
    limited.dispose()


def test_a_statement_past_its_limit_is_trouble_with_the_database(new_mirror: NewMirror) -> None:
    """The lock is held until the limit has passed, so the outcome hangs on no speed."""
    mirror = new_mirror()
    logs = started(mirror, "append_block")
    before = mirror.rows()
    url = mirror.engine.url
    impatient = create_engine(url, connect_args={"options": "-c lock_timeout=50"})
    held = Mirror(impatient, Store(impatient, Reducer(CONTRACTS)), mirror.position)
    with mirror.engine.begin() as holder:
        holder.execute(text(f"LOCK TABLE {PHYSICAL}.log IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(OperationalError):
            block(held, logs)
    impatient.dispose()
    assert mirror.rows() == before


def test_a_session_that_stood_still_is_trouble_with_the_database(new_mirror: NewMirror) -> None:
    """The server ends it so that it holds no lock for ever; whoever comes back to it starts over."""
    mirror = new_mirror()
    logs = started(mirror, "append_block")
    before = mirror.rows()
    options = "-c idle_in_transaction_session_timeout=100"
    limited = create_engine(mirror.engine.url, connect_args={"options": options, "application_name": "idle"})
    held = Mirror(limited, Store(limited, Reducer(CONTRACTS)), mirror.position)

    def sessions() -> int:
        with mirror.engine.connect() as connection:
            query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idle'")
            return int(connection.execute(query).scalar_one())

    def stand_still(name: failpoints.Name) -> None:
        if name == "after_cas":
            wait_for(lambda: sessions() == 0, "the server ends the session")

    failpoints.install_hook(stand_still)
    try:
        with pytest.raises(OperationalError):
            block(held, logs)
    finally:
        failpoints.install_hook(None)
    limited.dispose()
    assert mirror.rows() == before
