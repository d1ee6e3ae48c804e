"""Writes vouchers in groups: one statement, one round trip, one COMMIT for all that wait at that moment.

Goals: nobody is told that a voucher is stored before the COMMIT was acknowledged; a refusal is exact.
Invariants: the statement itself decides (see `hot_repo`): figures in memory only choose what is worth trying. A group
is written whole or not at all. What memory would refuse, and what the database does not take, goes the exact way: one
pool at a time, over figures read just before on the same connection. An order of vouchers of one pool is kept.
A crash or a lost connection before the acknowledgement: nobody in the group is told anything but "unknown"; the same
voucher sent again finds itself stored, or is stored then. So is everybody who waits when the loop itself ends, however
it ends; another one begins a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog

from backend.domain.micro import utc_day
from backend.failpoints import failpoint
from backend.payments import hot_repo
from backend.payments.known import KnownPool
from backend.payments.lookup import LOST, Lookup, connect
from backend.payments.outcomes import Accepted, Code, Outcome, Refused
from backend.payments.planning import Item, Plan

LOG = structlog.get_logger(__name__)
MOST_IN_GROUP: Final = 2_000
MOST_ALONE: Final = 100
FEW: Final = 100
TRIES: Final = 3
RECONNECT_SECONDS: Final = 0.2
REFUSED_SECONDS: Final = 0.5
IDLE_SECONDS: Final = 0.5
_PLANS: Final = {
    # a plan made for a small table would read all of a large one; these statements are only ever right by index
    "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off",
    "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
UNKNOWN: Final = Refused(Code.UNAVAILABLE)


class Writer:
    """One connection, one group at a time. `own` tells the pools that only this process pays from in groups."""

    def __init__(
        self, url: str, lookup: Lookup, *, own: Callable[[bytes], bool], now: Callable[[], int], cap_units: int
    ) -> None:
        self._url = url
        self._lookup = lookup
        self._own = own
        self._now = now
        self._cap = min(cap_units, hot_repo.MOST_UNITS)
        self._queue: deque[Item] = deque()
        self._alone: dict[int, tuple[KnownPool, list[Item]]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._connection: Any = None
        self._pay: Any = None
        self._exact: Any = None
        self._stopping = False
        self._in_hand: list[Item] = []
        self.waiting = 0
        """Vouchers put and not answered."""
        self.groups = 0

    @property
    def ready(self) -> bool:
        """Whether there is a connection to write by."""
        return self._connected and not self._stopping

    @property
    def _connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def start(self) -> None:
        """Connect, if the database answers, and write until `stop`."""
        with contextlib.suppress(*LOST):
            await self._connect()
        self._begin()

    async def stop(self) -> None:
        """Write what waits, then close."""
        self._stopping = True
        self._wake.set()
        while self._task is not None:
            await asyncio.wait([self._task])
        if self._again is not None:
            self._again.cancel()
        self._lose([])

    def put(self, *items: Item) -> None:
        """Queue vouchers whose signatures are good; where nothing can be written they are told so at once."""
        self.waiting += len(items)
        if not self.ready:
            for item in items:
                self._tell(item, UNKNOWN)
            return
        self._queue.extend(items)
        if not self._wake.is_set():
            self._wake.set()

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._again = None
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever has ended the loop, nobody waits for it: all are told, and a new one begins unless we stop."""
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None or not self._stopping:
            LOG.critical("voucher_writer_ended", error=repr(error))
        self._lose(self._in_hand)
        if not self._stopping:
            self._again = asyncio.get_running_loop().call_later(RECONNECT_SECONDS, self._begin)

    async def _run(self) -> None:
        while not (self._stopping and (not self._connected or self._idle)):
            try:
                await self._step()
            except Exception:  # the loop must outlive any single group
                LOG.exception("voucher_group_failed")
                self._lose(self._in_hand)
                await asyncio.sleep(RECONNECT_SECONDS)  # what fails without waiting would leave no time for others

    async def _step(self) -> None:
        if not self._connected:
            await self._reconnect()
            return
        if self._idle:
            await self._sleep()
            return
        if self._queue:
            if len(self._queue) < FEW:
                await asyncio.sleep(0)  # what the sockets hold already joins the group
            await self._group()
        if self._alone:
            await self._next_alone()

    @property
    def _idle(self) -> bool:
        return not self._queue and not self._alone

    async def _sleep(self) -> None:
        """Wait for a voucher, or for a while: a connection may be lost when nothing is sent."""
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()

    async def _connect(self) -> None:
        connection = await connect(self._url, "aicp-vouchers", **_PLANS)
        self._pay = await connection.prepare(hot_repo.PAY)
        self._exact = await connection.prepare(hot_repo.PAY_EXACT)
        await connection.execute("SELECT 1")  # preparing leaves the server in a statement whose time is running
        self._connection = connection

    async def _reconnect(self) -> None:
        """Nothing waits for a database that does not answer: whoever asks is told so, and comes back."""
        self._lose([])
        try:
            await self._connect()
        except LOST as error:
            LOG.warning("voucher_database_lost", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _lose(self, items: list[Item]) -> None:
        """Say of everything that waits that it is unknown; forget the connection."""
        connection, self._connection = self._connection, None
        for item in items:
            self._tell(item, UNKNOWN)
        for pool, alone in self._alone.values():
            pool.alone = 0
            for item in alone:
                self._tell(item, UNKNOWN)
        self._alone.clear()
        while self._queue:
            self._tell(self._queue.popleft(), UNKNOWN)
        if connection is not None:
            connection.terminate()

    def _tell(self, item: Item, outcome: Outcome) -> None:
        if item.waits:
            item.waits = False
            self.waiting -= 1
            try:
                item.done(outcome)
            except Exception:  # whoever fails to hear it must not keep the others from it
                LOG.exception("voucher_answer_failed")

    def _answer(self, plan: Plan) -> None:
        for item, accepted in plan.stored():
            self._tell(item, accepted)

    # -- groups ------------------------------------------------------------------------------------------------------

    async def _group(self) -> None:
        items = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_IN_GROUP))]
        self._in_hand = items
        plan = Plan(utc_day(self._now()), self._cap)
        fresh = self._lookup.fresh
        for item in items:
            pool = item.channel.pool
            if pool.alone or not fresh or not self._own(pool.pool_id):
                self._put_alone(item)
            else:
                plan.place(item)
        for item, _ in plan.short:
            self._put_alone(item)
        if not plan.paid or await self._written(plan, self._pay):
            self._answer(plan)
            await self._answer_lower(plan.lower)
        elif self._connection is not None:
            for item in [*(item for item, _ in plan.paid), *(item for item, _ in plan.repeated), *plan.lower]:
                self._put_alone(item)

    async def _written(self, plan: Plan, statement: Any) -> bool:
        """Write a group; False where the database does not take it. Where that is unknown, everybody is told so."""
        failpoint("vouchers.group_ready")
        try:
            rows = await statement.fetch(*plan.parameters())
        except asyncpg.IntegrityConstraintViolationError:
            return False
        except LOST as error:
            LOG.warning("voucher_group_unknown", error=type(error).__name__, vouchers=len(plan.paid))
            everybody = [*plan.paid, *plan.repeated]
            self._lose([*(item for item, _ in everybody), *plan.lower])
            return False
        failpoint("vouchers.group_stored")
        self.groups += 1
        plan.written(rows)
        return True

    def _put_alone(self, item: Item) -> None:
        pool = item.channel.pool
        if not pool.alone:
            self._alone[id(pool)] = (pool, [])
        pool.alone += 1
        self._alone[id(pool)][1].append(item)

    async def _answer_lower(self, items: list[Item]) -> None:
        """Answer vouchers below the highest: the one that is stored again, any other by the corrective answer."""
        if not items:
            return
        try:
            stored = await self._lookup.lower({(item.channel.channel_id, item.ceiling_units) for item in items})
        except LOST:
            for item in items:
                self._tell(item, UNKNOWN)
            return
        for item in items:
            self._tell(item, lower_outcome(item, stored.get((item.channel.channel_id, item.ceiling_units))))

    # -- one pool at a time ------------------------------------------------------------------------------------------

    async def _next_alone(self) -> None:
        pool, items = self._take_alone()
        for _ in range(TRIES):
            try:
                await self._refresh(pool, items)
            except LOST as error:
                LOG.warning("voucher_pool_not_read", error=type(error).__name__)
                self._lose(items)
                return
            if (refused := self._closed(pool)) is not None:
                for item in items:
                    self._tell(item, refused)
                return
            if await self._exactly(pool, items):
                return
        LOG.warning("voucher_pool_contended", vouchers=len(items))
        for item in items:  # somebody else pays from this pool faster than we can look
            self._tell(item, UNKNOWN)

    def _take_alone(self) -> tuple[KnownPool, list[Item]]:
        key, (pool, waiting) = next(iter(self._alone.items()))
        items, rest = waiting[:MOST_ALONE], waiting[MOST_ALONE:]
        self._in_hand = items
        del self._alone[key]
        pool.alone = len(rest)
        if rest:
            self._alone[key] = (pool, rest)
        return pool, items

    async def _exactly(self, pool: KnownPool, items: list[Item]) -> bool:
        """Write what fits by figures just read and refuse the rest; False where the database sees it otherwise."""
        plan = Plan(utc_day(self._now()), self._cap)
        for item in items:
            plan.place(item)
        if plan.paid and not await self._written(plan, self._exact):
            if self._connection is not None:
                return False
            for item, _ in plan.short:
                self._tell(item, UNKNOWN)
            return True
        self._answer(plan)
        for item, short in plan.short:
            self._remember(pool, item, short)
            self._tell(item, short)
        await self._answer_lower(plan.lower)
        return True

    async def _refresh(self, pool: KnownPool, items: list[Item]) -> None:
        rows = await self._connection.fetch(hot_repo.POOLS, [pool.pool_id])
        channels = await self._connection.fetch(hot_repo.CHANNELS, list({item.channel.channel_id for item in items}))
        for row in rows:
            pool.see(row)
            pool.take(row)
            pool.spent_day = row["spent_day"]
        by_id = {row["channel_id"]: row for row in channels}
        for item in items:
            item.channel.take(by_id[item.channel.channel_id])

    @staticmethod
    def _closed(pool: KnownPool) -> Refused | None:
        if not pool.on_chain:
            return Refused(Code.POOL_UNKNOWN)
        return Refused(Code.POOL_CLOSING) if pool.closing else None

    @staticmethod
    def _remember(pool: KnownPool, item: Item, short: Refused) -> None:
        """Refuse the same for a moment without asking, so that hopeless vouchers cost no look at the database each."""
        if short.code in {Code.ABOVE_POOL, Code.SESSION_KEY_CAP}:
            increment = item.ceiling_units - item.channel.ceiling_units
            pool.refused = (time.monotonic() + REFUSED_SECONDS, increment, short)


def lower_outcome(item: Item, stored: tuple[bytes, int] | None) -> Accepted | Refused:
    """Return the answer to a voucher below the channel's highest, given what is stored at its ceiling."""
    if stored is None:
        return Refused(Code.STALE, item.channel.corrective())
    signature, price = stored
    if signature != item.signature:
        return Refused(Code.DIFFERS, item.channel.corrective())
    return Accepted(item.channel.text, item.ceiling_units, price, repeated=True)
