"""The loop that writes vouchers ends as it likes: whoever waits is told so, and the next ones are written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import pytest

from backend.failpoints import Name, install_hook
from backend.payments.engine import Engine, PartiesIn, VoucherIn
from backend.payments.lookup import Crowded
from backend.payments.outcomes import Accepted, Code, Outcome, Refused
from tests.fixtures.moneylab import World
from tests.fixtures.voucherlab import paid, receiver, voucher

AGENTS = count(20_000)
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aicp-vouchers' "
    "AND wait_event_type = 'Lock'"
)


class Ended(BaseException):
    """What no handler of ordinary errors catches."""


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    yield
    install_hook(None)


def given(world: World, agent: bytes, ceiling: int) -> VoucherIn:
    body = voucher(world, agent, ceiling)
    parties = PartiesIn(**body["channel"])
    return VoucherIn(body["channel_id"], body["max_claimable_units"], body["signature"], parties)


def with_engine(world: World, story: Callable[[Engine], Awaitable[None]]) -> None:
    """Run a story over an engine that pays from every pool in groups."""

    async def run() -> None:
        engine = Engine(world.ctx, own=lambda _: True)
        await engine.start()
        try:
            await story(engine)
        finally:
            await engine.stop()

    asyncio.run(run())


def raises_once(where: Name, error: BaseException) -> None:
    left = [error]

    def hook(name: Name) -> None:
        if name == where and left:
            raise left.pop()

    install_hook(hook)


async def told(work: Awaitable[list[Outcome]]) -> list[Outcome]:
    """Return what became of vouchers; whoever waits for ever fails the test."""
    async with asyncio.timeout(20):
        return await work


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def until_ready(engine: Engine) -> None:
    await until(lambda: bool(engine.figures()["ready"]))


def codes(outcomes: list[Outcome]) -> set[Code | None]:
    return {outcome.code if isinstance(outcome, Refused) else None for outcome in outcomes}


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Ended(), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("where", ["vouchers.group_ready", "vouchers.group_stored"])
def test_whatever_ends_a_group_all_are_told_and_the_repeat_pays_once(
    world: World, where: Name, error: BaseException
) -> None:
    agents, before = [receiver(next(AGENTS)) for _ in range(3)], paid(world)

    async def story(engine: Engine) -> None:
        vouchers = [given(world, agent, ceiling) for agent in agents for ceiling in (5, 7)]
        raises_once(where, error)
        assert codes(await told(engine.accept(vouchers))) == {Code.UNAVAILABLE}
        assert engine.figures()["waiting"] == 0
        await until_ready(engine)
        assert codes(await told(engine.accept(vouchers))) == {None}

    with_engine(world, story)
    assert paid(world) == before + 3 * 7


def test_a_cancelled_loop_answers_what_is_under_way_and_what_waits(world: World) -> None:
    agents, before = [receiver(next(AGENTS)) for _ in range(2)], paid(world)

    async def story(engine: Engine) -> None:
        assert codes(await told(engine.accept([given(world, agent, 1) for agent in agents]))) == {None}
        with world.machine.db.engine.connect() as other:
            other.exec_driver_sql("SELECT 1 FROM app.pool FOR UPDATE")  # the group waits for these rows
            first = asyncio.create_task(engine.accept([given(world, agents[0], 2)]))
            await until(lambda: world.one(BLOCKED) == 1)
            second = asyncio.create_task(engine.accept([given(world, agents[1], 2)]))
            await until(lambda: engine.figures()["waiting"] == 2)
            writer = engine._writer._task
            assert writer is not None
            writer.cancel()
            assert codes(await told(first)) | codes(await told(second)) == {Code.UNAVAILABLE}
            other.rollback()
        await until_ready(engine)
        assert codes(await told(engine.accept([given(world, agent, 2) for agent in agents]))) == {None}

    with_engine(world, story)
    assert paid(world) == before + 2 * 2


def test_one_listener_that_fails_keeps_nobody_else_from_the_answer(world: World) -> None:
    agent, before = receiver(next(AGENTS)), paid(world)

    async def story(engine: Engine) -> None:
        def deaf(_: Outcome) -> None:
            raise RuntimeError("the connection is gone")

        assert codes(await told(engine.accept([given(world, agent, 1)]))) == {None}
        engine.offer(given(world, agent, 2), deaf)
        heard: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        engine.offer(given(world, agent, 3), heard.set_result)
        async with asyncio.timeout(20):
            assert isinstance(await heard, Accepted)

    with_engine(world, story)
    assert paid(world) == before + 3


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Ended()], ids=repr)
def test_a_reader_that_fails_tells_those_who_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    agent = receiver(next(AGENTS))

    async def story(engine: Engine) -> None:
        async def broken(*_: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(engine._lookup, "_load", broken)
            assert codes(await told(engine.accept([given(world, agent, 4)]))) == {Code.UNAVAILABLE}
        assert codes(await told(engine.accept([given(world, agent, 4)]))) == {None}

    with_engine(world, story)


def test_vouchers_checked_while_the_engine_stops_are_told_so(world: World) -> None:
    agent, before = receiver(next(AGENTS)), paid(world)

    async def story(engine: Engine) -> None:
        assert codes(await told(engine.accept([given(world, agent, 1)]))) == {None}
        many = [given(world, agent, ceiling) for ceiling in range(2, 60)]
        late = asyncio.create_task(engine.accept(many))
        await asyncio.sleep(0)
        await engine.stop()
        assert codes(await told(late)) == {Code.UNAVAILABLE}
        with pytest.raises(Crowded):
            await engine.accept(many)

    with_engine(world, story)
    assert paid(world) == before + 1


@pytest.mark.parametrize("text", ["", "0x", "zz", "0x" + "g" * 64, "0x" + " 1" * 32, "0x" + "11" * 31, "11" * 33])
def test_what_is_no_channels_id_is_refused_and_holds_up_nobody(world: World, text: str) -> None:
    async def story(engine: Engine) -> None:
        good = asyncio.create_task(told(engine.accept([given(world, receiver(next(AGENTS)), 3)])))
        with pytest.raises(ValueError, match="not the id of a channel"):
            async with asyncio.timeout(20):
                await engine.state(text)
        assert codes(await good) == {None}

    with_engine(world, story)
