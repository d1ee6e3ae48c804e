"""Several providers as one: who is asked, who is set aside, who gives a second opinion.

Goals: a question is answered by one node whole, so its answers prove each other; a node that fails, lies or lags is not
asked while another one can be; nobody is trusted before it showed our chain and our contracts.

Invariants: the order of preference changes only when a provider fails or is distrusted; a wrong chain is never asked
again. Where every provider rests, all are asked all the same, the one whose rest ends first before the others.
Questions are asked one at a time, whatever thread asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import structlog

from indexer.chain.errors import (
    BatchRefusedError,
    ChainError,
    InconsistentNodeError,
    RateLimitedError,
    TransportError,
    WrongChainError,
)
from indexer.chain.provider import Call, Provider, whole

_log = structlog.get_logger("indexer.rpc")
_DEFAULT_RATE_REST: Final = 1.0
FRESH_BLOCKS: Final = 10
"""A provider this far behind the newest block known is not asked near the head while another one can be."""


class Providers:
    """Providers in order of preference; see the module's docstring. `clock` counts seconds."""

    def __init__(self, members: Sequence[Provider], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.members: Final = tuple(members)
        self._clock = clock
        self._current = 0
        self._test: Callable[[Provider], None] | None = None
        self._asking = threading.RLock()
        self._mine = threading.local()
        for number, member in enumerate(self.members):
            if any(member.name == other.name for other in self.members[:number]):
                member.name = f"{member.name}#{number + 1}"

    def batch(self, calls: Sequence[Call], *, near_head: bool = False) -> list[bytes]:
        """Return the results from one provider. Raises the last provider's ChainError when all of them fail."""
        return whole(self.answers(calls, near_head=near_head))

    def answers(self, calls: Sequence[Call], *, near_head: bool = False) -> list[bytes | ChainError]:
        """Return each call's result or error from one provider. Raises a ChainError when no provider answers.

        `near_head` leaves out providers that lag behind, if it can.
        """
        with self._asking:
            last: ChainError = TransportError("no provider is configured")
            for provider in self._order(near_head=near_head):
                try:
                    found = self._ask(provider, calls)
                except WrongChainError as error:
                    last = error
                except (TransportError, RateLimitedError, BatchRefusedError, InconsistentNodeError) as error:
                    last = error
                    self._set_aside(provider, error)
                else:
                    self._mine.answered = provider
                    self._current = self.members.index(provider)
                    return found
            raise last

    def call(self, method: str, *params: Any) -> bytes:
        """Return the raw result of one call."""
        return self.batch([Call(method, params)])[0]

    def opinions(self, calls: Sequence[Call]) -> Iterator[list[bytes]]:
        """Yield the results of every other provider than the one that answered this thread last, if it has any."""
        first = self.answered
        for provider in self._order(near_head=True):
            if provider is first or not provider.breaker.allows(self._clock()):
                continue
            with self._asking:
                try:
                    results = whole(self._ask(provider, calls))
                except ChainError as error:
                    _log.info("no second opinion", provider=provider.name, error=str(error))
                    continue
            yield results

    @property
    def current(self) -> Provider:
        """The provider asked first."""
        return self.members[self._current]

    @property
    def answered(self) -> Provider:
        """The provider that answered this thread last."""
        found = getattr(self._mine, "answered", None)
        return found if isinstance(found, Provider) else self.current

    def require(self, test: Callable[[Provider], None]) -> list[ChainError]:
        """Ask every provider now, and each one again after it was set aside, to pass `test` before it is used.

        Return the errors of those that did not pass. `test` raises WrongChainError for one never to be used.
        """
        self._test = test
        errors: list[ChainError] = []
        with self._asking:
            for provider in self.members:
                provider.verified = False
                try:
                    self._verify(provider)
                except WrongChainError as error:
                    errors.append(error)
                except ChainError as error:
                    errors.append(error)
                    provider.breaker.failed(self._clock())
        return errors

    def note_head(self, number: int) -> bool:
        """Note the newest block of the provider that answered last; return whether another one is known to be ahead."""
        self.answered.head = number
        awake = [p for p in self.members if not p.banned and p.breaker.allows(self._clock())]
        return self._stale(self.answered) and not all(self._stale(provider) for provider in awake)

    def distrust(self, reason: str, name: str | None = None) -> None:
        """Set the named provider aside, else the one that answered last: another one is asked first from now on."""
        named = [provider for provider in self.members if provider.name == name]
        self._set_aside(named[0] if named else self.answered, InconsistentNodeError(reason))

    def close(self) -> None:
        """Close every provider."""
        for provider in self.members:
            provider.close()

    def _ask(self, provider: Provider, calls: Sequence[Call]) -> list[bytes | ChainError]:
        try:
            self._verify(provider)
            found = provider.answers(calls)
            for answer in found:
                if isinstance(answer, RateLimitedError):
                    raise answer
        except ChainError as error:
            error.provider = provider.name
            raise
        provider.breaker.succeeded()
        return found

    def _verify(self, provider: Provider) -> None:
        if self._test is None or provider.verified:
            return
        try:
            self._test(provider)
        except WrongChainError as error:
            provider.banned = True
            _log.error("provider of another chain", provider=provider.name, error=str(error))
            raise
        provider.verified = True

    def _set_aside(self, provider: Provider, error: ChainError) -> None:
        rest = None
        if isinstance(error, RateLimitedError):
            rest = _DEFAULT_RATE_REST if error.retry_after is None else error.retry_after
        provider.breaker.failed(self._clock(), rest)
        if len(self.members) == 1:
            return
        provider.verified = False
        if provider is self.current:
            self._current = (self._current + 1) % len(self.members)
        _log.warning("provider set aside", provider=provider.name, reason=str(error), now=self.current.name)

    def _order(self, *, near_head: bool) -> list[Provider]:
        ring = [*self.members[self._current :], *self.members[: self._current]]
        usable = [provider for provider in ring if not provider.banned]
        if ring and not usable:
            raise WrongChainError("every provider serves another chain or other contracts")
        now = self._clock()
        awake = [provider for provider in usable if provider.breaker.allows(now)]
        order = awake or sorted(usable, key=lambda provider: provider.breaker.open_until or 0.0)
        return sorted(order, key=self._stale) if near_head else order

    def _stale(self, provider: Provider) -> bool:
        best = max(member.head for member in self.members if not member.banned)
        return 0 <= provider.head < best - FRESH_BLOCKS
