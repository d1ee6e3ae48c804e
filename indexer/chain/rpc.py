"""JSON-RPC over HTTP: one provider with timeouts and batching, and a list of them with failover.

Goals: every call has a deadline; a batch is answered by one node, so answers in it can prove each other; an error is
raised as the class that says what to do. A provider that failed rests for a few seconds before it is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
import structlog

from indexer.chain.errors import ChainError, InconsistentNodeError, RateLimitedError, TransportError, classify
from indexer.chain.wire import WireAnswer

_log = structlog.get_logger("indexer.rpc")
_answers: Final = msgspec.json.Decoder(list[WireAnswer] | WireAnswer)

REST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call."""

    method: str
    params: tuple[Any, ...]


class Provider:
    """One node by URL. Not safe for use by several threads at once."""

    def __init__(
        self, url: str, *, timeout_seconds: float = 15.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` replaces the network: an in-process node, or faults in front of one."""
        self.name = httpx.URL(url).host
        self.resting_until = 0.0
        self._url = url
        self._http = httpx.Client(timeout=httpx.Timeout(timeout_seconds, connect=5.0), transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def batch(self, calls: Sequence[Call]) -> list[bytes]:
        """Return the raw results in the order of the calls. Raises a ChainError; nothing is answered in part."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
            for number, call in enumerate(calls)
        ]
        try:
            response = self._http.post(
                self._url, content=msgspec.json.encode(body), headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise TransportError(f"{self.name}: {type(error).__name__}: {error}") from error
        if response.status_code == 429:
            raise RateLimitedError(f"{self.name}: HTTP 429")
        if response.status_code != 200:
            raise TransportError(f"{self.name}: HTTP {response.status_code}")
        return self._results(calls, response.content)

    def _results(self, calls: Sequence[Call], content: bytes) -> list[bytes]:
        try:
            decoded = _answers.decode(content)
        except msgspec.MsgspecError as error:
            raise TransportError(f"{self.name}: not JSON-RPC: {error}") from error
        if isinstance(decoded, WireAnswer):
            if decoded.error is not None:
                raise classify("batch", decoded.error.code, decoded.error.message)
            decoded = [decoded]
        by_id = {answer.id: answer for answer in decoded}
        results: list[bytes] = []
        for number, call in enumerate(calls):
            answer = by_id.get(number)
            if answer is None:
                raise InconsistentNodeError(f"{self.name}: no answer to {call.method} in a batch")
            if answer.error is not None:
                raise classify(call.method, answer.error.code, answer.error.message)
            results.append(bytes(answer.result))
        return results


@dataclass(slots=True)
class Providers:
    """Providers in order of preference. A call is answered by the first one that is not resting and does not fail."""

    members: Sequence[Provider]
    _current: int = field(default=0)

    def batch(self, calls: Sequence[Call]) -> list[bytes]:
        """Return the results from one provider. Raises the last provider's ChainError when all of them fail."""
        last: ChainError = TransportError("no provider is configured")
        for provider in self._order():
            try:
                return provider.batch(calls)
            except (TransportError, RateLimitedError) as error:
                last = error
                self.distrust(provider, str(error))
        raise last

    def call(self, method: str, *params: Any) -> bytes:
        """Return the raw result of one call."""
        return self.batch([Call(method, params)])[0]

    @property
    def current(self) -> Provider:
        """The provider asked first."""
        return self.members[self._current]

    def distrust(self, provider: Provider, reason: str) -> None:
        """Let a provider rest, and ask the next one first from now on."""
        provider.resting_until = time.monotonic() + REST_SECONDS
        if len(self.members) > 1:
            self._current = (self._current + 1) % len(self.members)
            _log.warning("provider set aside", provider=provider.name, reason=reason, now=self.current.name)

    def close(self) -> None:
        """Close every provider."""
        for provider in self.members:
            provider.close()

    def _order(self) -> list[Provider]:
        ring = [*self.members[self._current :], *self.members[: self._current]]
        now = time.monotonic()
        awake = [provider for provider in ring if provider.resting_until <= now]
        return awake or ring
