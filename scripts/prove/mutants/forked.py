"""Calls a function in a forked process, with a time limit and its output in a file."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class TimedOutError(Exception):
    """The process was still running at its limit, and was ended with everything it had started."""


class CrashedError(Exception):
    """The process ended without a result; the message names its log."""


def forked(function: Callable[[], T], seconds: float, log: Path) -> T:
    """Return what the function returns in a copy of this process. Raises `TimedOutError` and `CrashedError`."""
    answer = log.with_suffix(".pickle")
    answer.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work(function, log, answer)
    deadline = time.monotonic() + seconds
    try:
        while not (ended := os.waitpid(child, os.WNOHANG)[0] == child) and time.monotonic() < deadline:
            time.sleep(0.05)
    except BaseException:
        _end(child)
        raise
    if not ended:
        _end(child)
        raise TimedOutError
    _end_group(child)
    if not answer.exists():
        raise CrashedError(f"see {log}")
    result: T = pickle.loads(answer.read_bytes())  # noqa: S301 - written by our own child
    answer.unlink()
    return result


def _work(function: Callable[[], T], log: Path, answer: Path) -> None:
    """Be the child; never return."""
    code = 1
    try:
        os.setsid()  # so that what it starts ends with it
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        answer.write_bytes(pickle.dumps(function()))
        code = 0
    except BaseException:  # noqa: BLE001 - it goes to the log, whatever it is
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end(child: int) -> None:
    if not _end_group(child):  # it has not come to its setsid
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _end_group(child: int) -> bool:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
