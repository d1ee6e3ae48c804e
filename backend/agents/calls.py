"""How fast and how well agents' servers answer the gateway, counted by day.

Goals: a call costs no write of its own. A process adds up in memory and writes the sums every few seconds; a crash
loses those seconds, and nothing here is money. Writing adds to what is there, so that any number of processes do.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from backend import loops
from backend.agents import repo
from backend.breakers.service import Outcome
from backend.db.engine import Database
from backend.db.times import moment
from backend.errors import Unavailable

WRITE_SECONDS: Final = 5.0
_log = structlog.get_logger("agents")


@dataclass(slots=True)
class _Sum:
    answered: int = 0
    failed: int = 0
    total_ms: int = 0


class Calls:
    """The calls of one process that are not written yet."""

    def __init__(self, db: Database, now: Callable[[], int]) -> None:
        self._db = db
        self._now = now
        self._sums: dict[bytes, _Sum] = defaultdict(_Sum)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write now and then until `stop`."""
        self._task = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            await loops.end([self._task])
        await self._try_to_write()

    def note(self, agent: bytes, outcome: Outcome, took_ms: int) -> None:
        """Count a call; one that says nothing of the server is not counted."""
        if outcome == "unclear":
            return
        added = self._sums[agent]
        if outcome == "good":
            added.answered += 1
            added.total_ms += took_ms
        else:
            added.failed += 1

    async def write(self) -> None:
        """Add what was counted to the rows of today. Raises Unavailable, and keeps the counts for the next time."""
        if not self._sums:
            return
        sums, self._sums = self._sums, defaultdict(_Sum)
        day = moment(self._now()).date()
        rows = [
            {"agent": agent, "day": day, "answered": one.answered, "failed": one.failed, "total_ms": one.total_ms}
            for agent, one in sorted(sums.items())  # all processes lock rows in the same order
        ]
        try:
            await self._db.write(partial(_add, rows=rows))
        except Unavailable:
            for agent, one in sums.items():
                kept = self._sums[agent]
                kept.answered += one.answered
                kept.failed += one.failed
                kept.total_ms += one.total_ms
            raise

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except Unavailable as problem:
            _log.warning("calls are not written down", detail=problem.detail)


def _add(session: Session, rows: list[dict[str, Any]]) -> None:
    session.execute(repo.add_calls(rows))
