"""Named places where a test lets the process die or a call fail.

Goal: a crash can be put between any two steps that a guarantee depends on. In production no name is armed and a pass
costs one truth test. `AICP_BACKEND_FAILPOINT=name` ends the process at the first pass of that name, `name:3` at the
third, without any clean-up, as `kill -9` would; a test in the same process installs a hook instead.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, get_args

Name = Literal[
    "txm.nonces_taken",  # the key's nonces are moved on, in the open transaction
    "txm.stored",  # nonces, rows and signed bytes are committed, nothing is sent
    "txm.sending",  # that bytes are about to be sent is committed
    "txm.sent",  # the nodes have answered, nothing of that is written down
    "txm.confirming",  # what the chain says is written down, in the open transaction
]

NAMES: Final[tuple[str, ...]] = get_args(Name)
EXIT_CODE: Final = 86

_armed = os.environ.get("AICP_BACKEND_FAILPOINT", "")
_passes: Counter[str] = Counter()
_hook: Callable[[Name], None] | None = None


def failpoint(name: Name) -> None:
    """Do what a test wants to happen here; nothing otherwise."""
    if _hook is not None:
        _hook(name)
    if _armed:
        wanted, _, count = _armed.partition(":")
        _passes[name] += 1
        if name == wanted and _passes[name] == int(count or 1):
            os._exit(EXIT_CODE)


def install_hook(hook: Callable[[Name], None] | None) -> None:
    """Call `hook` at every place from now on; it may raise. None takes it away."""
    global _hook  # noqa: PLW0603  # one process, one hook
    _hook = hook
