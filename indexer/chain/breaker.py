"""When a provider may be asked again after it failed. Pure: the time is an argument, in seconds of any clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REST_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 60.0


@dataclass(slots=True)
class Breaker:
    """Closed: ask. Open: do not ask until the rest is over. Half open: one question decides, failure doubles the rest.

    Every failure opens it, because another provider is asked instead and nothing is lost; where there is no other one,
    the pool asks all the same.
    """

    open_until: float | None = None
    failures: int = 0

    def allows(self, now: float) -> bool:
        """Return whether the provider may be asked now."""
        return self.open_until is None or now >= self.open_until

    def succeeded(self) -> None:
        """Close it."""
        self.open_until, self.failures = None, 0

    def failed(self, now: float, rest: float | None = None) -> None:
        """Open it for `rest` seconds if the provider named a time, else twice as long as last time."""
        self.failures += 1
        longest = min(LONGEST_REST_SECONDS, REST_SECONDS * 2 ** min(self.failures - 1, 10))
        self.open_until = now + (longest if rest is None else rest)
