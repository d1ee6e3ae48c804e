"""Waiting for a state, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(read: Callable[[], T], good: Callable[[T], bool], what: str, seconds: float = 60) -> T:
    """Read until the value is good; fail naming what was waited for and what was there last."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: still {value!r} after {seconds:.0f} s")
        time.sleep(0.1)
