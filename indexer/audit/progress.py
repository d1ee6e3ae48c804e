"""How far an audit is, for whoever watches."""

from __future__ import annotations

from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Progress(Protocol):
    """Told of each phase and of the steps in it."""

    def phase(self, name: str, total: int) -> None:
        """A phase of `total` steps begins; the one before is over."""

    def at(self, done: int) -> None:
        """So many steps of the phase are done."""


class Silent:
    """Shows nothing."""

    def phase(self, name: str, total: int) -> None:
        """Show nothing."""

    def at(self, done: int) -> None:
        """Show nothing."""


class Shown:
    """Bars on a terminal, one a phase; nothing at all where the console is none."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<21}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        disabled = not console.is_terminal
        self._bars = Bars(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disabled)
        self._task: TaskID | None = None
        self._total = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def phase(self, name: str, total: int) -> None:
        """Finish the bar of the phase before and begin another."""
        if self._task is not None:
            self._bars.update(self._task, completed=self._total)
        self._task, self._total = self._bars.add_task(name, total=total), total

    def at(self, done: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done)
