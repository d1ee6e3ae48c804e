"""What an agent says in its log once, however often it looks at the same thing again."""

from __future__ import annotations

import logging


class SaidOnce:
    """The sentences that were said about one thing."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: set[str] = set()

    def say(self, level: int, sentence: str) -> None:
        """Log a sentence unless it was said before."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._log.log(level, "%s", sentence)
