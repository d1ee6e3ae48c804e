"""What the service logs as errors during a story: some belong to it, and some no story may cause."""

from __future__ import annotations

import logging
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

import structlog
from structlog.typing import EventDict, WrappedLogger

_OURS: Final = frozenset({"a step failed", "a clock failed"})
_CURABLE: Final = frozenset({"Unavailable", "NodeUnreachable", "NodeError"})
"""Steps that end so are taken again."""


class Errors:
    """Counts what is logged at the level of errors while it is entered."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._before: dict[str, Any] = {}
        self.bad: list[str] = []

    def __enter__(self) -> Self:
        self._before = structlog.get_config()
        structlog.configure(
            processors=[self._note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
            cache_logger_on_first_use=False,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        structlog.configure(**self._before)

    def _note(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        said = str(event["event"])
        self._counts[f"logged: {said}"] += 1
        if said in _OURS and event.get("error") not in _CURABLE:
            self.bad.append(f"{said}: {event}")
        raise structlog.DropEvent

    def none_of_ours(self) -> None:
        """Raises AssertionError where a step failed for no reason outside."""
        if self.bad:
            raise AssertionError("; ".join(self.bad[:3]))
