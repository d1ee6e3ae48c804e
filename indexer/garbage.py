"""Keeps Python from looking for cycles of objects while many rows are made.

Rows have no cycles; they go when nobody refers to them any more. The search for cycles walks over all that is held,
tens of thousands of rows, again and again: a twentieth of a backfill's time. It is made once in a while instead.
"""

from __future__ import annotations

import gc
from typing import Final

_RANGES_BETWEEN: Final = 16


class Garbage:
    """See the module's docstring. Leaves a process alone that has switched the search off itself."""

    def __init__(self) -> None:
        self._held = False
        self._ranges = 0

    def hold(self) -> None:
        """Note one more range of rows; every few of them look for cycles among what is young."""
        if gc.isenabled():
            gc.disable()
            self._held = True
        self._ranges += 1
        if self._held and self._ranges % _RANGES_BETWEEN == 0:
            gc.collect(1)

    def release(self) -> None:
        """Let Python look for cycles whenever it wants again."""
        if self._held:
            gc.enable()
            self._held = False
