"""Which agents' servers this process may call now.

Goals: a call to an agent that rests is refused from memory, in microseconds; a call to one that is well costs no
question; all processes know the same within the time of a notification. Invariants: memory never overtakes the rows
(`service`), and older news never replace newer ones. Told by NOTIFY, and read anew every few seconds and after every
loss of the connection, so that news which get lost are made up for. A crash loses only memory. Redis has no part.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import asyncpg
import structlog

from backend import loops
from backend.breakers import repo, service
from backend.breakers.errors import AgentResting
from backend.breakers.service import Known, Outcome
from backend.db.engine import Database, plain_dsn
from backend.domain import breaker as rules
from backend.domain.breaker import Breaker, State
from backend.errors import Unavailable

LOG = structlog.get_logger(__name__)
READ_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
LOOK_BACK: Final = dt.timedelta(minutes=1)
MOST_NAMES: Final = 10_000
_NEW: Final = Breaker()


def wall_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Gate:
    """The breakers of one process."""

    def __init__(self, database_url: str, db: Database, clock: Callable[[], int] = wall_ms) -> None:
        self._dsn = plain_dsn(database_url)
        self._db = db
        self._clock = clock
        self._known: dict[bytes, Known] = {}
        self._names: dict[str, bytes] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._rejected = 0
        self._outcomes: Counter[str] = Counter()

    async def start(self) -> None:
        """Read what there is and keep up with it until `stop`."""
        await self.read()
        self._tasks = [asyncio.create_task(self._keep_reading()), asyncio.create_task(self._listen())]

    async def stop(self) -> None:
        """End the loops."""
        await loops.end(self._tasks)
        self._tasks = []

    def wait_ms(self, agent: bytes) -> int:
        """Return 0 where an agent may be called now as far as this process knows, else after how long to ask."""
        known = self._known.get(agent)
        return 0 if known is None else rules.wait_ms(known.breaker, self._clock())

    def require(self, agent: bytes, name: str | None = None) -> None:
        """Raise AgentResting where an agent may not be called now; while it rests its `name` is known as well."""
        wait = self.wait_ms(agent)
        if wait:
            if name is not None and len(self._names) < MOST_NAMES:
                self._names[name] = agent
            self._rejected += 1
            raise AgentResting(wait)

    def require_named(self, name: str) -> None:
        """Raise AgentResting where a name is known to be that of an agent that rests: asks nobody."""
        agent = self._names.get(name)
        if agent is not None:
            self.require(agent)
            del self._names[name]  # it may be somebody else's by now

    async def enter(self, agent: bytes) -> int:
        """Return the turn in which an agent may be called. Raises AgentResting, Unavailable."""
        self.require(agent)
        breaker = self._of(agent)
        if breaker.state is State.CLOSED:
            return breaker.turn
        through, known = await self._db.write(partial(service.take, agent=agent, now_ms=self._clock()))
        self.learn(known)
        if not through:
            self._rejected += 1
            raise AgentResting(max(1, rules.wait_ms(known.breaker, self._clock())))
        return known.breaker.turn

    async def leave(self, agent: bytes, turn: int, outcome: Outcome, error: str = "") -> None:
        """Note what became of a call; what changes nothing is not written down."""
        self._outcomes[outcome] += 1
        breaker = self._of(agent)
        if turn != breaker.turn:
            return
        if breaker.state is State.CLOSED and (outcome == "unclear" or (outcome == "good" and not breaker.failures)):
            return
        note = partial(service.report, agent=agent, turn=turn, outcome=outcome, now_ms=self._clock(), error=error)
        try:
            self.learn(await self._db.write(note))
        except Unavailable as problem:  # the caller has an answer to give, and the next call tells again
            LOG.warning("breaker_not_noted", detail=problem.detail)

    def learn(self, known: Known) -> None:
        """Take news of a breaker, unless newer ones are known."""
        mine = self._known.get(known.agent)
        if mine is None or known.version > mine.version:
            self._known[known.agent] = known

    async def read(self) -> None:
        """Read every breaker that is not simply closed. Raises Unavailable."""
        since = dt.datetime.now(dt.UTC) - LOOK_BACK
        for row in await self._db.read(lambda session: list(session.execute(repo.telling(since)).scalars())):
            self.learn(Known.of_row(row))

    def render(self) -> str:
        """Return figures in Prometheus' text format."""
        states = Counter(known.breaker.state for known in self._known.values())
        lines = ["# TYPE aicp_breakers gauge"]
        lines += [f'aicp_breakers{{state="{state.value}"}} {states[state]}' for state in (State.OPEN, State.HALF_OPEN)]
        lines += ["# TYPE aicp_breaker_rejections_total counter", f"aicp_breaker_rejections_total {self._rejected}"]
        lines.append("# TYPE aicp_agent_calls_total counter")
        lines += [f'aicp_agent_calls_total{{outcome="{name}"}} {n}' for name, n in sorted(self._outcomes.items())]
        return "\n".join(lines) + "\n"

    def _of(self, agent: bytes) -> Breaker:
        known = self._known.get(agent)
        return _NEW if known is None else known.breaker

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            await self._try_to_read()

    async def _try_to_read(self) -> None:
        try:
            await self.read()
        except Unavailable as problem:
            LOG.warning("breakers_not_read", detail=problem.detail)

    def _told(self, *news: Any) -> None:
        try:
            self.learn(Known.of_news(news[-1]))
        except (ValueError, TypeError):
            LOG.warning("breaker_news_unreadable")

    async def _listen(self) -> None:
        while True:
            lost = asyncio.Event()
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                LOG.warning("breaker_listen_failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(repo.NEWS, self._told)
                await self._try_to_read()  # what was told before we listened
                await lost.wait()
            finally:
                await connection.close(timeout=2)
