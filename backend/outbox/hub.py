"""Carries numbered events from the database to WebSockets.

Goals: every connected client sees each event of its audience once and in order of `seq`; a slow client never slows
the others. Invariants: an event is fanned out only after it has a number, and numbers follow commits. Woken by NOTIFY
and, in case a notification is lost, by a poll every second. A crash loses nothing: clients resume with `since`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import secrets
import time
from typing import Any, Final

import asyncpg
import structlog

from backend import loops
from backend.context import Context
from backend.db.engine import Database, plain_dsn
from backend.errors import Unavailable
from backend.outbox import repo, service
from backend.outbox.frames import Write, text_frame
from backend.outbox.models import OutboxEvent

LOG = structlog.get_logger(__name__)
POLL_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 2.0
KEPT_BYTES: Final = 1 << 18
"""How much may come while a connection is still sent what was before it."""
BATCH: Final = 500
AT_ONCE: Final = 100
"""Connections written to before others have their turn: a couple of milliseconds."""
PRUNE_SECONDS: Final = 3600.0


class Subscriber:
    """One connection: whom it speaks for, and how its messages are written.

    It is offered what comes after `start`. Until `go_live` that is kept, because what was before must be sent first;
    from then on each message is written as it comes. A connection that falls too far behind is dropped, not waited for.
    """

    __slots__ = ("_kept", "_over", "_write", "address", "last", "start")

    def __init__(self, address: bytes | None, start: int, write: Write) -> None:
        self.address = address
        self.start = start
        self.last = time.monotonic()
        """When it was last offered something."""
        self._write = write
        self._kept: bytearray | None = bytearray()
        self._over = asyncio.Event()

    def offer(self, frames: bytes, now: float) -> None:
        """Write whole frames, or keep them until the connection is live."""
        if self._over.is_set():
            return
        self.last = now
        if self._kept is None:
            if not self._write(frames):
                self.drop()
        elif len(self._kept) + len(frames) <= KEPT_BYTES:
            self._kept += frames
        else:
            self.drop()

    def drop(self) -> None:
        """Write nothing more; whoever serves the connection closes it."""
        self._over.set()

    def go_live(self) -> None:
        """Write what was kept, and from now on everything at once."""
        kept, self._kept = self._kept, None
        if kept:
            self.offer(bytes(kept), self.last)

    async def dropped_within(self, seconds: float) -> bool:
        """Wait so long for the connection to fall too far behind; return whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()


def _frame_of(event: OutboxEvent) -> bytes:
    return text_frame(json.dumps(service.message_of(event), separators=(",", ":"), ensure_ascii=False))


def _offer(subscriber: Subscriber, frames: bytes, now: float) -> None:
    try:
        subscriber.offer(frames, now)
    except Exception:  # one connection's trouble must not make the others hear a batch twice
        LOG.exception("event_not_written")
        subscriber.drop()


class EventHub:
    """The fan-out of one process."""

    def __init__(self, ctx: Context, db: Database) -> None:
        self._ctx = ctx
        self._db = db
        self._name = secrets.token_hex(4)
        """Tells what this process has numbered from what others have."""
        self._wake = asyncio.Event()
        self._subscribers: set[Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = 0
        """The newest event anybody was offered."""
        self.last_seq = 0
        """The newest event everybody was offered."""

    async def start(self) -> None:
        """Begin at the newest number and run until `stop`."""
        self.last_seq = self._begun = await self._db.read(service.newest_seq)
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._listen())]

    async def stop(self) -> None:
        """End the loops and drop every connection."""
        await loops.end(self._tasks)
        self._tasks = []

    def subscribe(self, address: bytes | None, write: Write) -> Subscriber:
        """Register a connection; it is offered every event after its `start`."""
        subscriber = Subscriber(address, self._begun, write)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        self._subscribers.discard(subscriber)

    async def _publish(self) -> None:
        pruned = 0.0
        while True:
            try:
                await self._round()
                if time.monotonic() - pruned > PRUNE_SECONDS:
                    now = dt.datetime.fromtimestamp(self._ctx.now(), tz=dt.UTC)
                    await self._db.write(lambda session, now=now: service.prune(session, now))  # type: ignore[misc]
                    pruned = time.monotonic()
            except Exception as error:  # the stream must outlive any single round
                if isinstance(error, Unavailable):
                    LOG.warning("event_round_failed", detail=error.detail)
                else:
                    LOG.exception("event_round_failed")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def _round(self) -> None:
        more = True
        while more:
            numbered, events = await self._db.write(self._number)
            if events:
                await self._fan_out(events)
            more = numbered == service.NUMBERED_AT_ONCE or len(events) == BATCH

    def _number(self, session: Any) -> tuple[int, list[OutboxEvent]]:
        """Number what waits for it, and return how many that were and the next events to fan out."""
        numbered = service.number_events(session, self._name)
        return numbered, service.events_between(session, self.last_seq, 2**62, BATCH)

    async def _fan_out(self, events: list[OutboxEvent]) -> None:
        """Offer events to everybody they are for, some connections at a time: requests have their turn in between.

        Whoever subscribes meanwhile starts behind them, and reads them with what was before.
        """
        newest = events[-1].seq
        assert newest is not None
        framed = [(event.audience, _frame_of(event)) for event in events]
        self._begun = newest
        for_everybody = b"".join(frame for audience, frame in framed if audience is None)
        some = {address for audience, _ in framed for address in audience or ()}
        now, told = time.monotonic(), tuple(self._subscribers)
        for first in range(0, len(told), AT_ONCE):
            for subscriber in told[first : first + AT_ONCE]:
                its = for_everybody
                if subscriber.address in some:
                    its = b"".join(frame for audience, frame in framed if service.is_for(audience, subscriber.address))
                if its and subscriber in self._subscribers:
                    _offer(subscriber, its, now)
            await asyncio.sleep(0)
        self.last_seq = newest

    def _hear(self, *ring: Any) -> None:
        if ring[-1] != self._name:  # what was numbered here is fanned out already
            self._wake.set()

    async def _listen(self) -> None:
        dsn = plain_dsn(self._ctx.settings.database_url)
        while True:
            lost = asyncio.Event()
            try:
                connection = await asyncpg.connect(dsn, timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                LOG.warning("event_listen_failed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                for channel in (repo.NEW_EVENTS_CHANNEL, repo.NUMBERED_CHANNEL):
                    await connection.add_listener(channel, self._hear)
                await lost.wait()
            finally:
                await connection.close(timeout=2)
