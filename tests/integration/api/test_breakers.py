"""Breakers of two processes over one database: one opens, both refuse; trials and resets count for both."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from backend.breakers import service
from backend.breakers.errors import AgentResting
from backend.breakers.gate import Gate
from backend.breakers.service import Known
from backend.db import migrate
from backend.db.engine import Database, make_async_engine, sync_url
from backend.domain.breaker import Breaker, State


@dataclass
class Clock:
    """Milliseconds the test moves."""

    ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture(scope="module")
def url(pg_url: str) -> str:
    migrate.upgrade(pg_url)
    return pg_url


@asynccontextmanager
async def process(url: str, clock: Callable[[], int]) -> AsyncIterator[Gate]:
    db = Database(make_async_engine(url, pool_size=4))
    gate = Gate(url, db, clock)
    await gate.start()
    try:
        yield gate
    finally:
        await gate.stop()
        await db.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def until(condition: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 20, what
        await asyncio.sleep(0.01)


async def call(gate: Gate, agent: bytes, outcome: service.Outcome) -> None:
    await gate.leave(agent, await gate.enter(agent), outcome, "It is silent.")


def rows(url: str, statement: str, **parameters: Any) -> list[Any]:
    engine = create_engine(sync_url(url))
    with engine.begin() as connection:
        result = connection.execute(text(statement), parameters)
        found = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return found


def test_failures_of_all_processes_open_it_for_all(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as one, process(url, clock) as other:
            for gate in (one, other, one, other):
                await until(lambda gate=gate: gate.wait_ms(agent) == 0, "closed")
                await call(gate, agent, "bad")
            assert one.wait_ms(agent) == 0
            turns = [await gate.enter(agent) for gate in (one, other)]
            await one.leave(agent, turns[0], "bad", "It is silent.")
            assert one.wait_ms(agent) == 1_500
            await until(lambda: other.wait_ms(agent) == 1_500, "the other process hears of it")
            await other.leave(agent, turns[1], "bad")
            with pytest.raises(AgentResting) as resting:
                await other.enter(agent)
            assert resting.value.body()["retry_after"] == 2
        stored = "SELECT state, failures, opened, last_error FROM app.breaker WHERE agent = :a"
        assert rows(url, stored, a=agent) == [("open", 5, 1, "It is silent.")]

    run(work())


def test_a_success_anywhere_begins_the_row_anew(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as one, process(url, clock) as other:
            for _ in range(4):
                await call(one, agent, "bad")
            await until(lambda: other._of(agent).failures == 4, "the other process hears of it")
            await call(other, agent, "good")
            await until(lambda: one._of(agent).failures == 0, "so does this one")
            for _ in range(4):
                await call(one, agent, "bad")
            assert one.wait_ms(agent) == 0

    run(work())


def test_three_trials_for_all_processes_together(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as one, process(url, clock) as other:
            for _ in range(5):
                await call(one, agent, "bad")
            await until(lambda: other.wait_ms(agent) > 0, "open")
            clock.ms += 1_500

            async def attempt(gate: Gate) -> int | None:
                try:
                    return await gate.enter(agent)
                except AgentResting:
                    return None

            asked = await asyncio.gather(*(attempt(gate) for gate in (one, other) for _ in range(5)))
            let = [(gate, turn) for gate, turn in zip([one] * 5 + [other] * 5, asked, strict=True) if turn is not None]
            assert len(let) == 3
            for gate, turn in let:
                await until(lambda gate=gate, turn=turn: gate._of(agent).turn == turn, "the trial is known")
                await gate.leave(agent, turn, "good")
            for gate in (one, other):
                await until(lambda gate=gate: gate._of(agent).state is State.CLOSED, "closed for both")

    run(work())


def test_a_failed_trial_rests_longer_and_a_reset_ends_it_everywhere(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as one, process(url, clock) as other:
            for _ in range(5):
                await call(one, agent, "bad")
            clock.ms += 1_500
            await call(one, agent, "bad")
            assert one.wait_ms(agent) == 2_250
            db = Database(make_async_engine(url, pool_size=1))
            await db.write(lambda session: service.reset(session, agent))
            await db.close()
            for gate in (one, other):
                await until(lambda gate=gate: gate.wait_ms(agent) == 0, "reset")
            await call(other, agent, "good")

    run(work())


def test_what_is_well_costs_no_question_and_what_rests_neither(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as gate:
            for outcome in ("good", "unclear"):
                await call(gate, agent, outcome)  # type: ignore[arg-type]
            assert rows(url, "SELECT 1 FROM app.breaker WHERE agent = :a", a=agent) == []
            for _ in range(5):
                await call(gate, agent, "bad")
            before = rows(url, "SELECT version FROM app.breaker WHERE agent = :a", a=agent)
            for _ in range(100):
                with pytest.raises(AgentResting):
                    await gate.enter(agent)
            assert rows(url, "SELECT version FROM app.breaker WHERE agent = :a", a=agent) == before == [(5,)]
            assert "aicp_breaker_rejections_total 100\n" in gate.render()
            assert 'aicp_agent_calls_total{outcome="bad"} 5\n' in gate.render()

    run(work())


def test_a_name_is_rejected_without_a_question_only_while_its_agent_rests(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as gate:
            gate.require_named("oracle")
            for _ in range(5):
                await call(gate, agent, "bad")
            gate.require_named("oracle")
            with pytest.raises(AgentResting):
                gate.require(agent, "oracle")
            with pytest.raises(AgentResting):
                gate.require_named("oracle")
            clock.ms += 1_500
            gate.require_named("oracle")
            clock.ms -= 1_500
            gate.require_named("oracle")

    run(work())


def test_what_was_told_while_nobody_listened_is_read(url: str) -> None:
    async def work() -> None:
        agent, clock = secrets.token_bytes(20), Clock()
        async with process(url, clock) as one, process(url, clock) as other:
            listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%aicp_breaker%'"
            await until(lambda: len(rows(url, listening)) == 2, "both listen")
            for (pid,) in rows(url, listening):
                rows(url, "SELECT pg_terminate_backend(:pid)", pid=pid)
            for _ in range(5):
                await call(one, agent, "bad")
            await until(lambda: other.wait_ms(agent) > 0, "read after the connection was lost")
        async with process(url, clock) as third:
            assert third.wait_ms(agent) == 1_500, "read at the start"

    run(work())


def test_a_database_that_is_away_fails_no_call(url: str) -> None:
    async def work() -> None:
        db = Database(make_async_engine("postgresql://nobody@127.0.0.1:9/none"))
        gate = Gate("postgresql://nobody@127.0.0.1:9/none", db, Clock())
        await call(gate, b"\x05" * 20, "bad")
        assert gate.wait_ms(b"\x05" * 20) == 0
        await db.close()

    run(work())


def test_older_news_replace_no_newer_ones() -> None:
    gate = Gate("postgresql://nobody@127.0.0.1:9/none", Database(make_async_engine("postgresql://nobody@x/none")))
    agent = b"\x06" * 20
    opened = Known(agent, 7, Breaker(State.OPEN, turn=3, failures=5, rest_ms=1_500, until_ms=2**45))
    assert Known.of_news(opened.news()) == opened
    gate._told(None, 1, "aicp_breaker", opened.news())
    gate._told(None, 1, "aicp_breaker", Known(agent, 6, Breaker()).news())
    gate._told(None, 1, "aicp_breaker", "[1]")
    gate._told(None, 1, "aicp_breaker", json.dumps({"agent": "x"}))
    assert gate.wait_ms(agent) > 0
