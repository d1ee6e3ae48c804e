"""How many blocks to ask for at once. Pure: answers of the node in, the next size out.

Additive increase after a success, multiplicative decrease after a refusal, and never more blocks than keep an answer
near the wanted number of logs. What a node says about its limits is believed before anything is guessed. After a
refusal the increase is a quarter of what is left, until a hundred answers in a row came without another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_FORGET_AFTER: Final = 100
_FIRST_LOGS: Final = 500
_GROWTH: Final = 4
"""How many times as many blocks may follow: an almost empty range says little about the next one."""
_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 60.0
_SHORTEST_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Hint:
    """What a refusal says about a size that would pass: in blocks, in logs, or neither.

    `firm` blocks are a limit of the provider; others fit only the place that was asked for.
    """

    blocks: int | None = None
    logs: int | None = None
    firm: bool = False


_NUMBER: Final = r"(\d[\d,_]*\s*k?)\b"
_HEX_RANGE: Final = re.compile(r"\[\s*(0x[0-9a-f]+)\s*,\s*(0x[0-9a-f]+)\s*\]", re.IGNORECASE)
_DECIMAL_RANGE: Final = re.compile(r"retry with the range (\d+)\s*-\s*(\d+)", re.IGNORECASE)
_LOGS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_NUMBER} (?:results|logs)\b",
        rf"max(?:imum)? (?:results|logs(?: per response)?)(?: is)?:? {_NUMBER}",
        rf"logs matched by query exceeds limit of {_NUMBER}",
    )
)
_NOT_LOGS: Final = r"(?! ?(?:results|logs))"
_MAXIMUM: Final = (
    r"max(?:imum)?(?: allowed)?(?: number of)?(?: requested)?(?: block)?s?(?: range)?(?: limit)?(?: is)?(?: set to)?:? "
)
_BLOCKS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"limited to 0\s*-\s*{_NUMBER}",
        rf"(?:limited|limit|up) to (?:a |an )?(?:at most )?{_NUMBER}",
        rf"(?:at most|limit of|larger than|greater than|more than|ranges over|size) {_NUMBER}{_NOT_LOGS}",
        rf"{_MAXIMUM}{_NUMBER}{_NOT_LOGS}",
        rf"range limit(?: exceeded)?(?: is|:)? {_NUMBER}",
    )
)


def hint_of(message: str) -> Hint:
    """Return what a provider's words say about the size it would answer; an empty hint when they say nothing."""
    for pattern, base in ((_HEX_RANGE, 16), (_DECIMAL_RANGE, 10)):
        if found := pattern.search(message):
            blocks = int(found[2], base) - int(found[1], base) + 1
            return Hint(blocks=blocks) if blocks > 0 else Hint()
    for pattern in _LOGS:
        if (found := pattern.search(message)) and (logs := _number(found[1])) > 0:
            return Hint(logs=logs)
    for pattern in _BLOCKS:
        if (found := pattern.search(message)) and (blocks := _number(found[1])) > 0:
            return Hint(blocks=blocks, firm=True)
    return Hint()


def _number(text: str) -> int:
    digits = text.lower().replace(",", "").replace("_", "").strip()
    return int(digits[:-1].strip()) * 1_000 if digits.endswith("k") else int(digits)


@dataclass(frozen=True, slots=True)
class Ranges:
    """The size of the next range in blocks, and how long to wait before asking for it in seconds.

    `limit` is the most blocks ever asked for; `step` is added after a success; `logs` is the number of logs aimed at in
    the end, `aim` the one aimed at now; `ceiling` is what a provider named as its limit; `answers` counts those since
    the last refusal.
    """

    size: int
    limit: int
    step: int
    logs: int
    aim: int
    ceiling: int | None = None
    answers: int = 0
    pause: float = 0.0

    @classmethod
    def starting(cls, blocks: int, *, logs: int, slowly: bool = False) -> Ranges:
        """Return the planner for about `blocks` at a time: it adds a quarter of that, up to ten times as many.

        `slowly` begins with one block and few logs and doubles them with each answer: nobody has said yet how many a
        block holds, and small ranges at first are read, reduced and written at once the sooner.
        """
        size, aim = (1, min(_FIRST_LOGS, logs)) if slowly else (blocks, logs)
        return cls(size=size, limit=blocks * 10, step=max(1, blocks // 4), logs=logs, aim=aim)

    def answered(self, blocks: int, logs: int) -> Ranges:
        """Return the planner after a range of this many blocks came with this many logs."""
        answers = self.answers + 1
        forget = answers >= _FORGET_AFTER
        ceiling = None if forget else self.ceiling
        size = max(self.size, blocks) if blocks < self.size else min(self.size + self.step, self.size * _GROWTH)
        most = min(self.limit, ceiling or self.limit)
        if logs:
            most = min(most, max(1, self.aim * blocks // logs))
        pause = self.pause / 2
        return replace(
            self,
            size=max(1, min(size, most)),
            step=max(1, self.limit // 40) if forget else self.step,
            aim=min(self.logs, self.aim * 2),
            ceiling=ceiling,
            answers=0 if forget else answers,
            pause=pause if pause >= _SHORTEST_PAUSE else 0.0,
        )

    def refused(self, blocks: int, hint: Hint) -> Ranges:
        """Return the planner after a node would not answer this many blocks: always smaller, at least one block."""
        half = max(1, blocks // 2)
        size = half if hint.blocks is None else max(1, min(hint.blocks, blocks - 1))
        logs = self.logs if hint.logs is None else max(1, min(self.logs, hint.logs * 4 // 5))
        ceiling = size if hint.firm else self.ceiling
        step, aim = min(self.step, max(1, size // 4)), min(self.aim, logs)
        return replace(self, size=size, step=step, logs=logs, aim=aim, ceiling=ceiling, answers=0)

    def limited(self, retry_after: float | None) -> Ranges:
        """Return the planner after "too many requests": half the blocks, and twice the wait or what the node asks."""
        pause = min(_LAST_PAUSE, max(self.pause * 2, _FIRST_PAUSE, retry_after or 0.0))
        return replace(self, size=max(1, self.size // 2), pause=pause)
