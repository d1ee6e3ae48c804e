"""The rows a stretch of events works on: loaded before, changed in memory, written after. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aicp.rules.primitives import ZERO_ADDRESS
from indexer.core.forgotten import Forgotten
from indexer.core.rows import Activity, EventRow, Key, Place, S, StateRow


class ReducerError(Exception):
    """An event that cannot follow what we hold: an escrow never funded, a balance below zero. The stream must stop."""


class Workspace:
    """State rows by key, and what the events added. A key must be loaded (as a row or as absent) before it is used.

    It may be kept from one stretch of events to the next: `settle` forgets what was written and, above a bound, the
    rows nobody has asked for lately.
    """

    def __init__(self, *, complete: bool = False) -> None:
        """`complete` says that there are no rows yet: a key that is neither held nor forgotten is absent."""
        self._complete = complete
        self._forgotten: Forgotten | None = None
        self._rows: dict[Key, StateRow | None] = {}
        self._older: dict[Key, StateRow | None] = {}
        self.changed: dict[Key, StateRow] = {}
        self.created: set[Key] = set()
        """Changed rows that were loaded as absent; a row put without having been loaded is not among them."""
        self.appended: list[EventRow] = []

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        """Return the keys that were never loaded, or forgotten since."""
        rows = self._rows
        lacking = [key for key in keys if key not in rows]
        if lacking and self._older:
            lacking = [key for key in lacking if not self._recall(key)]
        return self._not_absent(lacking) if lacking and self._complete else lacking

    def load(self, key: Key, row: StateRow | None) -> None:
        """Note the stored row of a key, or that there is none."""
        self._rows[key] = row

    def settle(self, limit: int) -> None:
        """Take everything as written, and keep at most twice `limit` rows from now on, those last asked for."""
        self.changed = {}
        self.created = set()
        self.appended = []
        if len(self._rows) > limit:
            if self._complete and self._older:
                self._forgotten = self._forgotten or Forgotten()
                self._forgotten.add(key for key, row in self._older.items() if row is not None)
            self._older, self._rows = self._rows, {}

    def find(self, kind: type[S], key: bytes) -> S | None:
        """Return the row of a key, or None. A key that was never loaded is a programming error (KeyError)."""
        row: Any = self._rows[kind, key]
        return row  # type: ignore[no-any-return]  # a row under its own kind

    def peek(self, kind: type[S], key: bytes) -> S | None:
        """As `find`, but None also for a key not loaded yet; for deciding what else to load."""
        row = self._rows.get((kind, key))
        if row is None and self._older and self._recall((kind, key)):
            row = self._rows[kind, key]
        found: Any = row
        return found  # type: ignore[no-any-return]  # a row under its own kind

    def _not_absent(self, keys: list[Key]) -> list[Key]:
        """Note which of the keys are of no row, and return the others."""
        forgotten = self._forgotten
        if forgotten is None:
            self._rows.update(dict.fromkeys(keys))
            return []
        others: list[Key] = []
        for key in keys:
            if key in forgotten:
                others.append(key)
            else:
                self._rows[key] = None
        return others

    def _recall(self, key: Key) -> bool:
        if key in self._older:
            self._rows[key] = self._older.pop(key)
        return key in self._rows  # it may have been called back a moment ago, where somebody names a key twice

    def need(self, kind: type[S], key: bytes) -> S:
        """Return the row of a key. Raises ReducerError where there is none."""
        row = self.find(kind, key)
        if row is None:
            raise ReducerError(f"no {kind.TABLE} 0x{key.hex()}")
        return row

    def put(self, row: StateRow, place: Place) -> None:
        """Store a new or changed row."""
        row.moved(place)
        key: Key = (type(row), getattr(row, row.KEY))
        if self.changed.get(key) is row:
            return
        if self._rows.get(key, row) is None:
            self.created.add(key)
        self._rows[key] = self.changed[key] = row

    def append(self, row: EventRow) -> None:
        """Add an append-only row."""
        self.appended.append(row)

    def note(  # noqa: PLR0917  # the columns of an activity line
        self, place: Place, accounts: Iterable[bytes], contract: str, kind: str, subject: bytes | None, amount: int
    ) -> None:
        """Add an activity line for each different account, the zero address left out."""
        for account in dict.fromkeys(accounts):
            if account != ZERO_ADDRESS:
                line = Activity(
                    place=place, account=account, contract=contract, kind=kind, subject=subject, amount_units=amount
                )
                self.appended.append(line)
