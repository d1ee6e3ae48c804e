"""JSON-RPC over HTTP to one node: timeouts, batches, and every failure raised as the class that says what to do.

Goals: every call has a deadline and every answer a bound on its length; what a node says in words or by HTTP status
means the same to us. A node that takes no batches, or only short ones, is asked in pieces.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import msgspec

from indexer.chain.breaker import Breaker
from indexer.chain.errors import (
    BatchRefusedError,
    ChainError,
    InconsistentNodeError,
    RangeTooLargeError,
    RateLimitedError,
    TimedOutError,
    TransportError,
    classify,
)
from indexer.chain.wire import WireAnswer, WireError

_answers: Final = msgspec.json.Decoder(list[WireAnswer] | WireAnswer)
_TAGS: Final = frozenset({"safe", "finalized"})
_OK: Final = 200
_PAYLOAD_TOO_LARGE: Final = 413
_TOO_MANY_REQUESTS: Final = 429
_LONGEST_BATCH: Final = 1_000
LONGEST_ANSWER: Final = 128 * 2**20
"""Bytes of an answer after which it is dropped and less is asked for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call."""

    method: str
    params: tuple[Any, ...]

    @property
    def by_tag(self) -> bool:
        """Whether it names a block by a finality tag."""
        return bool(self.params) and isinstance(self.params[0], str) and self.params[0] in _TAGS


class Provider:
    """One node by URL. `head` is the newest block it told of, `missing` the methods it does not offer.

    `verified` tells that it showed our chain and contracts, `banned` that it showed others.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float = 15.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` replaces the network: an in-process node, or faults in front of one."""
        self.name = httpx.URL(url).netloc.decode()
        self.breaker = Breaker()
        self.head = -1
        self.missing: set[str] = set()
        self.verified = False
        self.banned = False
        self._url = url
        self._longest_batch = _LONGEST_BATCH
        limits = httpx.Timeout(timeout_seconds, connect=5.0)
        secure = httpx.URL(url).scheme == "https"  # to read the list of authorities takes a while
        self._http = httpx.Client(timeout=limits, transport=transport, verify=secure)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def answers(self, calls: Sequence[Call]) -> list[bytes | ChainError]:
        """Return each call's raw result or its error, in the order of the calls.

        Raises a ChainError when nothing can be said of the single calls. A batch the node refuses is asked in halves.
        """
        found: list[bytes | ChainError] = []
        while len(found) < len(calls):
            piece = calls[len(found) : len(found) + self._longest_batch]
            try:
                found.extend(self._ask(piece))
            except BatchRefusedError:
                if self._longest_batch == 1:
                    raise
                self._longest_batch = max(1, len(piece) // 2)
        return found

    def batch(self, calls: Sequence[Call]) -> list[bytes]:
        """Return the raw results in the order of the calls. Raises a ChainError; nothing is answered in part."""
        return whole(self.answers(calls))

    def _ask(self, calls: Sequence[Call]) -> list[bytes | ChainError]:
        body = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
            for number, call in enumerate(calls)
        ]
        single = self._longest_batch == 1
        status, retry_after, content = self._post(msgspec.json.encode(body[0] if single else body), calls)
        try:
            decoded = _answers.decode(content)
        except msgspec.MsgspecError as error:
            raise self._without_answer(calls, status, retry_after, f"not JSON-RPC: {error}") from error
        answers = [decoded] if isinstance(decoded, WireAnswer) else decoded
        if isinstance(decoded, WireAnswer) and decoded.error is not None:
            raise self._error_for_all(calls, decoded.error, status, retry_after)
        if status != _OK and all(answer.error is None for answer in answers):
            raise self._without_answer(calls, status, retry_after, f"HTTP {status}")
        by_id = {answer.id: answer for answer in answers}
        found: list[bytes | ChainError] = []
        for number, call in enumerate(calls):
            answer = by_id.get(number)
            if answer is None:
                raise InconsistentNodeError(f"{self.name}: no answer to {call.method} in a batch")
            failed = answer.error is not None
            found.append(self._error(call, answer.error, retry_after) if failed else bytes(answer.result))
        return found

    def _post(self, body: bytes, calls: Sequence[Call]) -> tuple[int, float | None, bytes]:
        headers = {"content-type": "application/json"}
        try:
            with self._http.stream("POST", self._url, content=body, headers=headers) as response:
                pieces: list[bytes] = []
                length = 0
                for piece in response.iter_bytes():
                    pieces.append(piece)
                    length += len(piece)
                    if length > LONGEST_ANSWER:
                        raise self._too_long(calls)
        except httpx.TimeoutException as error:
            raise TimedOutError(f"{self.name}: {type(error).__name__}: {error}") from error
        except httpx.HTTPError as error:
            raise TransportError(f"{self.name}: {type(error).__name__}: {error}") from error
        return response.status_code, _seconds(response.headers.get("retry-after")), b"".join(pieces)

    def _without_answer(self, calls: Sequence[Call], status: int, retry_after: float | None, why: str) -> ChainError:
        if status == _TOO_MANY_REQUESTS:
            return RateLimitedError(f"{self.name}: HTTP 429", retry_after)
        if status == _PAYLOAD_TOO_LARGE:
            return self._too_long(calls)
        return TransportError(f"{self.name}: {why}" if status == _OK else f"{self.name}: HTTP {status}")

    def _too_long(self, calls: Sequence[Call]) -> ChainError:
        if any(call.method == "eth_getLogs" for call in calls):
            return RangeTooLargeError(f"{self.name}: the answer is too large")
        return BatchRefusedError(f"{self.name}: the answer is too large")

    def _error_for_all(
        self, calls: Sequence[Call], error: WireError | str, status: int, retry_after: float | None
    ) -> ChainError:
        """One error for the whole batch: it speaks of the largest call in it, which is the one for logs."""
        code, message = _spoken(error)
        logs = [call for call in calls if call.method == "eth_getLogs"]
        call = (logs or list(calls))[0]
        if status == _TOO_MANY_REQUESTS:
            code = _TOO_MANY_REQUESTS
        batch = 1 if self._longest_batch == 1 else max(2, len(calls))
        tag = any(each.by_tag for each in calls)
        return self._blamed(classify(call.method, code, message, tag=tag, batch=batch, retry_after=retry_after))

    def _error(self, call: Call, error: WireError | str | None, retry_after: float | None) -> ChainError:
        code, message = _spoken(error or "")
        return self._blamed(classify(call.method, code, message, tag=call.by_tag, retry_after=retry_after))

    def _blamed(self, error: ChainError) -> ChainError:
        error.provider = self.name
        return error


def whole(answers: Sequence[bytes | ChainError]) -> list[bytes]:
    """Return the results. Raises the first error among them."""
    results: list[bytes] = []
    for answer in answers:
        if isinstance(answer, ChainError):
            raise answer
        results.append(answer)
    return results


def _spoken(error: WireError | str) -> tuple[int, str]:
    if isinstance(error, str):
        return 0, error
    try:
        code = int(error.code or 0)
    except ValueError:
        code = 0
    data = bytes(error.data).decode(errors="replace")
    return code, f"{error.message} {data}".strip() if data not in ("", "null") else error.message


def _seconds(header: str | None) -> float | None:
    """Return the value of Retry-After in seconds from now; None for none or nonsense."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
