"""Named places where a test lets the process die or a call fail.

Goal: a crash can be put between any two steps that a guarantee depends on. In production no name is armed and a pass
costs two truth tests. `AICP_FAILPOINT=name` ends the process at the first pass of that name, `name:3` at the third,
without any clean-up, as `kill -9` would; a simulation in the same process installs a hook instead.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar, get_args

N = TypeVar("N", bound=str)
EXIT_CODE: Final = 86


class Failpoints(Generic[N]):
    """The places of one program, armed by one environment variable that is read once, when they are made.

    Raises ValueError for a variable that names none of them: a test that means to kill must not pass by not killing.
    """

    __slots__ = ("_count", "_hook", "_passes", "_wanted")

    def __init__(self, variable: str, names: tuple[N, ...]) -> None:
        self._wanted, _, count = os.environ.get(variable, "").partition(":")
        if self._wanted and self._wanted not in names:
            raise ValueError(f"{variable} names no failpoint: {self._wanted}")
        self._count = int(count or 1)
        self._passes: Counter[N] = Counter()
        self._hook: Callable[[N], None] | None = None

    def passed(self, name: N) -> None:
        """Do what a test wants to happen here; nothing otherwise."""
        if self._hook is not None:
            self._hook(name)
        if self._wanted:
            self._passes[name] += 1
            if name == self._wanted and self._passes[name] == self._count:
                os._exit(EXIT_CODE)

    def install_hook(self, hook: Callable[[N], None] | None) -> None:
        """Call `hook` at every place from now on; it may raise. None takes it away."""
        self._hook = hook


Name = Literal[
    "fetched",  # logs came from a node and were checked
    "after_cas",  # the cursor is moved, in the open transaction
    "mid_copy",  # some tables are written, in the open transaction
    "before_commit",  # everything is written, in the open transaction
    "after_commit",  # the transaction is committed and readers are notified
    "after_undo",  # rows of a dropped branch are put back, in the open transaction
    "before_swap",  # a new version is complete and not yet shown
    "rebuild_batch",  # a stretch of raw logs was projected again
]

NAMES: Final[tuple[Name, ...]] = get_args(Name)

_points: Final = Failpoints("AICP_FAILPOINT", NAMES)
failpoint: Final = _points.passed
install_hook: Final = _points.install_hook
