"""A process beside this one that reads ahead, so that the one that reduces has the interpreter to itself.

Goals: on two cores and more a backfill is bound by reducing alone, not by reading and reducing in turns.

Invariants: the other process asks nodes and nothing else. It reads by the same code, so what it tells has been checked
as if it had been read here; it is decoded and written here. It is started before this process has any thread. It ends
when it is closed, and with this process, whatever killed that.

A crash of the other process is `GoneError` where its next answer is wanted; nothing is lost but reading, and the caller
reads here from then on. Its nodes are its own: what is distrusted here has to be told to it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

import msgspec

from indexer.chain.node import Node, Range
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[RawLog]).decode
_Packed = tuple[Block, Block, bytes, str]


class GoneError(Exception):
    """The other process has ended."""


class Beside:
    """See the module's docstring."""

    def __init__(self, make: Callable[[], Node]) -> None:
        """Start the process; `make` makes its node there, on first use. Raises OSError."""
        sys.stdout.flush()  # or the other process writes what is still to be written once more
        fork = multiprocessing.get_context("fork")
        self._pool: Final = ProcessPoolExecutor(1, mp_context=fork, initializer=_enter, initargs=(make,))
        self.pid: Final = self._pool.submit(os.getpid).result()

    @staticmethod
    def is_of_use() -> bool:
        """Return whether there is a second core for it, and a way to start it."""
        return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1

    def begin(self, first: int, last: int) -> Reading:
        """Begin to read blocks `first` to `last`. Raises GoneError."""
        try:
            return Reading(self._pool.submit(_read, first, last))
        except (BrokenProcessPool, RuntimeError) as error:
            raise GoneError(str(error)) from error

    def distrust(self, reason: str, provider: str) -> None:
        """Ask another provider there first than the named one. Does nothing when the process has ended."""
        try:
            self._pool.submit(_distrust, reason, provider)
        except (BrokenProcessPool, RuntimeError):
            return

    def close(self) -> None:
        """End the process, whatever it is waiting for."""
        for process in multiprocessing.active_children():
            if process.pid == self.pid:
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Reading:
    """A range being read beside; see `indexer.background.Task`."""

    def __init__(self, future: Future[_Packed]) -> None:
        self._future = future

    def result(self) -> tuple[Range, str]:
        """Wait; return the range and the provider that told it. Raises ChainError, GoneError."""
        try:
            start, end, logs, provider = self._future.result()
        except (BrokenProcessPool, CancelledError) as error:
            raise GoneError(str(error)) from error
        return Range(start, end, _decode(logs)), provider


class _There:
    """What the other process holds; this one never touches it."""

    make: Callable[[], Node]
    node: Node | None = None


def _enter(make: Callable[[], Node]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # answers hold no cycles
    _There.make = make


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)


def _node() -> Node:
    if _There.node is None:
        _There.node = _There.make()
    return _There.node


def _read(first: int, last: int) -> _Packed:
    node = _node()
    found = node.logs_between(first, last)
    return found.start, found.end, _encode(found.logs), node.providers.answered.name


def _distrust(reason: str, provider: str) -> None:
    _node().distrust(reason, provider)
