"""What a model says about a call, and how that is compared with what the contract did.

A call can break several requirements at once, and `contracts/interfaces` does not say which one is told. So a model
collects every requirement that is broken: the call succeeds exactly if there is none, and the error is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.contracts.model.node import Answer, Event

ANY = object()
"""A value the interfaces leave open."""

TOKEN_REFUSED = "token"
"""The token said no; how it says that is its own affair."""

UNNAMED = "*"
"""The interface requires a revert and names no error."""

ZERO = "0x" + "0" * 40

SILENT_AT_ZERO = frozenset(
    {"BondPosted", "BondReturned", "BalanceSpent", "EscrowReleased", "EscrowRefunded", "Withdrawn", "WithdrawFinalized"}
)
"""Nothing moved, and the interfaces do not say whether that is told."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of some values."""

    values: frozenset[Any]


@dataclass(frozen=True, slots=True)
class Tx:
    """Who calls, in a block of which second."""

    sender: str
    now: int


class Refused(Exception):
    """The call must revert with one of these errors."""

    def __init__(self, errors: list[tuple[str, tuple[Any, ...]]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


@dataclass(slots=True)
class Checks:
    """Requirements a call breaks."""

    errors: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def refuse(self, broken: bool, error: str, *values: Any) -> None:
        """Note an error if its requirement is broken."""
        if broken:
            self.errors.append((error, values))

    def done(self) -> None:
        """Stop if any requirement is broken."""
        if self.errors:
            raise Refused(self.errors)


def same(expected: Any, actual: Any) -> bool:
    """Compare a value of a model with one of a contract."""
    if expected is ANY:
        return True
    if isinstance(expected, OneOf):
        return actual in expected.values
    if isinstance(expected, (tuple, list)) and isinstance(actual, (tuple, list)):
        return len(expected) == len(actual) and all(same(e, a) for e, a in zip(expected, actual, strict=True))
    return bool(expected == actual)


def _told(events: tuple[Event, ...] | list[Event]) -> list[Event]:
    return [event for event in events if event.name not in SILENT_AT_ZERO or event.values["amount"] != 0]


def _matches(expected: Event, actual: Event) -> bool:
    if expected.name != actual.name or expected.values.keys() != actual.values.keys():
        return False
    return all(same(value, actual.values[name]) for name, value in expected.values.items())


def difference(expected: list[Event] | Refused, answer: Answer) -> str | None:
    """Say where a call differs from the model, or None."""
    if isinstance(expected, Refused):
        if answer.error is None:
            return f"must revert with one of {expected.errors}, but succeeded"
        name, values = answer.error
        # a library around the token may say in its own words that the token refused
        told = {name, UNNAMED} | ({TOKEN_REFUSED} if name == "unknown" else set())
        if any(want in told and (not given or same(given, values)) for want, given in expected.errors):
            return None
        return f"must revert with one of {expected.errors}, but reverted with {answer.error}"
    if answer.error is not None:
        return f"must succeed, but reverted with {answer.error}"
    left = _told(answer.events)
    for event in _told(expected):
        found = next((other for other in left if _matches(event, other)), None)
        if found is None:
            return f"no event {event}; left were {left}"
        left.remove(found)
    return f"unexpected events {left}" if left else None
