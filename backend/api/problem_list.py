"""Every refusal the service knows: what the addresses in `type` lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.errors import Problem
from backend.payments.outcomes import RETRYABLE, STATUS, TITLE


@dataclass(frozen=True, slots=True)
class Entry:
    """A code, with what is told beside it."""

    code: str
    status: int
    title: str
    retryable: bool


def entries() -> list[Entry]:
    """Return the refusals of this process, each code once, in the order of the alphabet."""
    found: dict[str, Entry] = {}
    for one in (*_classes(Problem), *_vouchers()):
        found.setdefault(one.code, one)
    return [found[code] for code in sorted(found)]


def _classes(problem: type[Problem]) -> Iterator[Entry]:
    yield Entry(problem.code, problem.status, problem.title, problem.retryable)
    for narrower in problem.__subclasses__():
        yield from _classes(narrower)


def _vouchers() -> Iterator[Entry]:
    return (Entry(code.value, STATUS[code], TITLE[code], code in RETRYABLE) for code in TITLE)
