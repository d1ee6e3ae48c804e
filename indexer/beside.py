"""A process beside this one that reads ahead, so that the one that reduces has the interpreter to itself.

Goals: on two cores and more a backfill is bound by reducing alone, not by reading and reducing in turns.

Invariants: the other process asks nodes and nothing else. It reads by the same code, so what it tells has been checked
as if it had been read here; it is decoded and written here. It is started before this process has any thread. It ends
when it is closed, and with this process, whatever killed that.

Questions go through one pipe and answers come back through another, in the same order, each with its question's number:
no thread waits for them here. An answer nobody wants any more is passed over where the next one is wanted.

A crash of the other process is `GoneError` where its next answer is wanted; nothing is lost but reading, and the caller
reads here from then on. Its nodes are its own: what is distrusted here has to be told to it.
"""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from indexer.chain.node import Node, Range
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog

_PIPE_BYTES: Final = 1 << 20
"""What a pipe may hold: the more, the fewer turns an answer of megabytes takes."""


class _Question(msgspec.Struct, array_like=True, tag="read"):
    number: int
    first: int
    last: int


class _Doubt(msgspec.Struct, array_like=True, tag="distrust"):
    reason: str
    provider: str


class _Answer(msgspec.Struct, array_like=True):
    """`error` is a pickled exception, and then there is nothing else."""

    number: int
    told: tuple[Block, Block, list[RawLog], str] | None
    error: bytes = b""


_pack: Final = msgspec.msgpack.Encoder().encode
_asked: Final = msgspec.msgpack.Decoder(_Question | _Doubt).decode
_answered: Final = msgspec.msgpack.Decoder(_Answer).decode


class GoneError(Exception):
    """The other process has ended."""


class Beside:
    """See the module's docstring. Used by one thread."""

    def __init__(self, make: Callable[[], Node]) -> None:
        """Start the process; `make` makes its node there, at once or when it is first asked. Raises OSError."""
        sys.stdout.flush()  # or the other process writes what is still to be written once more
        fork = multiprocessing.get_context("fork")
        asked, self._ask = fork.Pipe(duplex=False)
        self._answers, answer = fork.Pipe(duplex=False)
        with suppress(OSError):  # more than this user may have; what there is will do
            fcntl.fcntl(self._answers.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        ours = (self._ask, self._answers)
        self._process: Final = fork.Process(target=_serve, args=(make, asked, answer, ours), daemon=True)
        self._process.start()
        asked.close()
        answer.close()
        self.pid: Final = self._process.pid or 0
        self._number = 0

    @staticmethod
    def is_of_use() -> bool:
        """Return whether there is a second core for it, and a way to start it."""
        return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1

    def begin(self, first: int, last: int) -> Reading:
        """Begin to read blocks `first` to `last`. Raises GoneError."""
        self._number += 1
        try:
            self._ask.send_bytes(_pack(_Question(self._number, first, last)))
        except OSError as error:
            raise GoneError(str(error)) from error
        return Reading(self._answers, self._number)

    def distrust(self, reason: str, provider: str) -> None:
        """Ask another provider there first than the named one. Does nothing when the process has ended."""
        with suppress(OSError):
            self._ask.send_bytes(_pack(_Doubt(reason, provider)))

    def close(self) -> None:
        """End the process, whatever it is waiting for."""
        self._process.kill()
        self._process.join()
        self._ask.close()
        self._answers.close()


class Reading:
    """A range being read beside; see `indexer.background.Task`."""

    def __init__(self, answers: Connection, number: int) -> None:
        self._answers = answers
        self._number = number

    def result(self) -> tuple[Range, str]:
        """Wait; return the range and the provider that told it. Raises ChainError, GoneError."""
        try:
            answer = _answered(self._answers.recv_bytes())
            while answer.number < self._number:
                answer = _answered(self._answers.recv_bytes())
        except (EOFError, OSError) as error:
            raise GoneError(str(error)) from error
        if answer.told is None:
            raise pickle.loads(answer.error)  # noqa: S301  # our own process wrote it
        start, end, logs, provider = answer.told
        return Range(start, end, logs), provider


def _serve(
    make: Callable[[], Node], asked: Connection, answers: Connection, others: tuple[Connection, Connection]
) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other one ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # answers hold no cycles
    for connection in others:
        connection.close()  # or we would never see that nobody holds the other end
    node = None
    with suppress(Exception):  # a node that cannot be used now says so when it is asked
        node = make()
    with suppress(EOFError, OSError):
        while True:
            question = _asked(asked.recv_bytes())
            try:
                node = node or make()
                if isinstance(question, _Doubt):
                    node.distrust(question.reason, question.provider)
                    continue
                found = node.logs_between(question.first, question.last)
                told = (found.start, found.end, found.logs, node.providers.answered.name)
                answer = _Answer(question.number, told)
            except Exception as error:  # noqa: BLE001  # raised where the answer is wanted
                if isinstance(question, _Doubt):
                    continue
                answer = _Answer(question.number, None, pickle.dumps(error))
            answers.send_bytes(_pack(answer))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)
