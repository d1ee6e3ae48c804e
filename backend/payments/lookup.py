"""The voucher engine's reading connection: channels met for the first time, old vouchers, the mirror's news.

Goals: many questions of the same kind are asked as one; the mirror's figures in memory are never older than told.
Invariants: one statement at a time, so a figure is read either wholly before or wholly after a pass over the mirror's
changes. A lost connection fails what is asked at that moment and is made anew by the next question.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

from backend.db.engine import plain_dsn
from backend.payments import hot_repo
from backend.payments.known import Known, KnownChannel
from indexer.store.store import CHANNEL as NEWS

LOG = structlog.get_logger(__name__)
AT_ONCE: Final = 500
MOST_WAITING: Final = 2_000
PASS_SECONDS: Final = 1.0
WHOLE_PASS_SECONDS: Final = 60.0
FRESH_SECONDS: Final = 10.0
"""How old the mirror's figures in memory may be; past it every group asks the mirror itself."""
CONNECT_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 8.0
_LOST: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
LOST = _LOST


class Crowded(Exception):  # noqa: N818  # a state, told as `overloaded`
    """Too many questions wait already."""


async def connect(url: str, application: str, **settings: str) -> Any:
    """Return a connection with the limits of the hot path. Raises one of `LOST`."""
    return await asyncpg.connect(
        plain_dsn(url),
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={
            "application_name": application, "statement_timeout": "5000", "lock_timeout": "2000", "jit": "off",
            **settings,
        },
    )  # fmt: skip


class Lookup:
    """See the module's docstring. `final_number` and `final_time` are the mirror's newest final block, 0 before any."""

    def __init__(self, url: str, known: Known, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._known = known
        self._now = monotonic
        self._connection: Any = None
        self._lock = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsettled: set[bytes] = set()
        self._seen_at = self._whole_at = float("-inf")
        self.final_number = self.final_time = 0

    @property
    def fresh(self) -> bool:
        """Whether the mirror's figures in memory are young enough to promise against."""
        return self._now() - self._seen_at <= FRESH_SECONDS

    async def start(self) -> None:
        """Read the mirror's position and follow it until `stop`."""
        with contextlib.suppress(*_LOST):
            await self.follow()
        self._tasks = [asyncio.create_task(self._follow_for_ever())]

    async def stop(self) -> None:
        """End what runs and close the connection."""
        running = [*self._tasks, *([self._pump] if self._pump else [])]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if self._connection is not None:
            await self._drop()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Any]:
        """Lend the connection to one caller. Raises one of `LOST`."""
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._url, "aicp-vouchers-read")
                with contextlib.suppress(asyncpg.InterfaceError):
                    await self._connection.add_listener(NEWS, lambda *_: self._news.set())
            try:
                yield self._connection
            except _LOST:
                await self._drop()
                raise

    async def _drop(self) -> None:
        self._connection.terminate()
        self._connection = None

    # -- channels ----------------------------------------------------------------------------------------------------

    async def channel(self, text: str) -> KnownChannel | None:
        """Return a channel by its id in lower-case hex, None where it has no row. Raises one of `LOST`, or Crowded."""
        found = self._known.channels.get(text)
        if found is not None:
            return found
        if text not in self._waiting:
            if len(self._waiting) >= MOST_WAITING:
                raise Crowded
            self._waiting[text] = asyncio.get_running_loop().create_future()
            if self._pump is None or self._pump.done():
                self._pump = asyncio.create_task(self._answer_waiting())
        await asyncio.shield(self._waiting[text])
        return self._known.channels.get(text)

    async def _answer_waiting(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:AT_ONCE])
            error: Exception | None = None
            try:
                async with self.use() as connection:
                    await self._load(connection, [bytes.fromhex(text[2:]) for text in batch])
            except _LOST as lost:
                error = lost
            except BaseException as bug:  # those who wait must hear of it, whatever it is
                LOG.exception("channels_not_read")
                error = ConnectionAbortedError(repr(bug))
                if not isinstance(bug, Exception):
                    self._answer(self._waiting, error)
                    raise
            self._answer(batch, error)

    def _answer(self, batch: dict[str, asyncio.Future[None]], error: Exception | None) -> None:
        for text, future in list(batch.items()):
            del self._waiting[text]
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # nobody may be waiting any more

    async def _load(self, connection: Any, ids: list[bytes]) -> None:
        rows = await connection.fetch(hot_repo.CHANNELS, ids)
        pools = await connection.fetch(hot_repo.POOLS, list({row["pool_id"] for row in rows}))
        self._known.add(rows, {row["pool_id"]: row for row in pools})

    async def lower(self, wanted: Iterable[tuple[bytes, int]]) -> dict[tuple[bytes, int], tuple[bytes, int]]:
        """Return signature and price of stored vouchers by channel and ceiling. Raises one of `LOST`."""
        # no voucher that pays by itself was ever above that
        pairs = [pair for pair in wanted if pair[1] <= hot_repo.MOST_UNITS]
        async with self.use() as connection:
            rows = await connection.fetch(hot_repo.LOWER, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        return {
            (row["channel_id"], int(row["ceiling_units"])): (row["signature"], int(row["paid_units"])) for row in rows
        }

    # -- the mirror --------------------------------------------------------------------------------------------------

    async def _follow_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PASS_SECONDS):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.follow()
            except _LOST as error:
                LOG.warning("mirror_not_read", error=type(error).__name__)
            except Exception:  # without it, no figure of the mirror would be new again
                LOG.exception("mirror_not_read")
            await asyncio.sleep(PASS_SECONDS / 4)

    async def follow(self) -> None:
        """Take over what has changed in the mirror since the last pass. Raises one of `LOST`.

        Everything that can change is in a block above the last final one, or was at the last pass and has gone since.
        Figures that are newer than the position read first are read once more at the next pass.
        """
        started = self._now()
        async with self.use() as connection:
            cursor = await connection.fetchrow(hot_repo.CURSOR)
            if cursor is None:
                return
            changed = {row["pool_id"] for row in await connection.fetch(hot_repo.CHANGED, self.final_number)}
            whole = started - self._whole_at >= WHOLE_PASS_SECONDS or cursor["finalized_number"] < self.final_number
            wanted = set(self._known.pools) if whole else (changed | self._unsettled) & self._known.pools.keys()
            for first in range(0, len(wanted), AT_ONCE):
                part = list(wanted)[first : first + AT_ONCE]
                for row in await connection.fetch(hot_repo.HEADROOMS, part):
                    pool = self._known.pools.get(row["pool_id"])
                    if pool is not None:
                        pool.see(row)
        self._unsettled = changed
        self.final_number, self.final_time = cursor["finalized_number"], int(cursor["finalized_time"])
        self._seen_at = started
        if whole:
            self._whole_at = started
