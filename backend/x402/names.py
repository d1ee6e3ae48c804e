"""Looking up the names of strangers' hosts: bounded, and never on the threads other work is done on.

Whoever owns a name also owns its name server, which may say nothing for as long as the system's resolver has patience.
No lookup can be ended from outside, so each has a thread of its own and counts until that thread ends, whether anybody
still waits for it or not. One account has a few at once; its others wait behind them, those of everybody else do not.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

IN_ALL: Final = 64
EACH: Final = 4
"""Lookups under way in one process, and for one account."""


@dataclass(frozen=True, slots=True, eq=False)
class _Lookup:
    host: str
    port: int
    account: bytes
    found: Future[list[str]] = field(default_factory=Future)


class Names:
    """The lookups of one process. Used by many event loops, one after the other or side by side."""

    def __init__(self, *, in_all: int, each: int) -> None:
        self._in_all, self._each = in_all, each
        self._lock = threading.Lock()
        self._waiting: deque[_Lookup] = deque()
        self._running: Counter[bytes] = Counter()

    async def addresses(self, host: str, port: int, account: bytes) -> list[str]:
        """Return the addresses of a host that an account wants called; wait until it is its turn.

        It waits as long as it is let: bound it in time. Raises OSError, UnicodeError.
        """
        lookup = _Lookup(host, port, account)
        with self._lock:
            self._waiting.append(lookup)
            self._begin()
        return await asyncio.wrap_future(lookup.found)

    def _begin(self) -> None:
        """Begin what waits and may begin, in its order; forget whom nobody waits for any more. Needs the lock."""
        still: deque[_Lookup] = deque()
        while self._waiting:
            lookup = self._waiting.popleft()
            if lookup.found.cancelled():
                continue
            if self._running.total() >= self._in_all or self._running[lookup.account] >= self._each:
                still.append(lookup)
            elif lookup.found.set_running_or_notify_cancel():
                self._start(lookup)
        self._waiting = still

    def _start(self, lookup: _Lookup) -> None:
        thread = threading.Thread(target=self._run, args=(lookup,), name="names", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            lookup.found.set_exception(OSError("no thread for a name"))
        else:
            self._running[lookup.account] += 1

    def _run(self, lookup: _Lookup) -> None:
        try:
            found = socket.getaddrinfo(lookup.host, lookup.port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
            lookup.found.set_exception(error)
        else:
            lookup.found.set_result([str(entry[4][0]) for entry in found])
        finally:
            with self._lock:
                self._running -= Counter([lookup.account])  # keeps no account that has none
                self._begin()


NAMES: Final = Names(in_all=IN_ALL, each=EACH)
