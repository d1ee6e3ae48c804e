"""Epochs of operator keys: which key serves at a moment, and which of several new pools name. Pure.

Epochs may overlap: while two keys serve, each goes on with its own pools, and new pools get the one that began last.
An epoch that is over takes nothing new; what was promised under it is still earned and claimed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Epoch(Protocol):
    """An operator key and the time it serves; `until` is None where no end is set."""

    @property
    def address(self) -> bytes: ...
    @property
    def from_time(self) -> dt.datetime: ...
    @property
    def until(self) -> dt.datetime | None: ...


E = TypeVar("E", bound=Epoch)


def serves(epoch: Epoch, at: dt.datetime) -> bool:
    """Return whether the key takes new vouchers and deposits at this moment."""
    return epoch.from_time <= at and (epoch.until is None or at < epoch.until)


def serving(epochs: Iterable[E], at: dt.datetime) -> list[E]:
    """Return the epochs that serve at this moment, the one that began last first: new pools name it.

    Of two that began together it is the one listed first.
    """
    live = [epoch for epoch in epochs if serves(epoch, at)]
    return sorted(live, key=lambda epoch: epoch.from_time, reverse=True)
