"""What can go wrong between us and a node, by what to do about it."""

from __future__ import annotations

from typing import Any, Final

from indexer.core.ranges import Hint, hint_of


class ChainError(Exception):
    """Base of everything the RPC kernel raises. `provider` names the node that is to blame, where one is known."""

    provider: str | None = None


class TransportError(ChainError):
    """No usable answer: refused, broken JSON, HTTP 5xx. Try another provider, then wait."""


class TimedOutError(TransportError):
    """No answer in time. Try another provider; a range is asked for in smaller pieces next time."""


class RateLimitedError(ChainError):
    """HTTP 429 or a provider's own wording of it. Wait (`retry_after` seconds if it says so), then ask for less."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RangeTooLargeError(ChainError):
    """The node refuses this many blocks or logs in one answer. Ask for a smaller range; `hint` may say how small."""

    def __init__(self, message: str, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.hint = hint or Hint()


class BatchRefusedError(ChainError):
    """The node takes no batches, or none of this length. Ask for fewer at once."""


class RpcError(ChainError):
    """The node answered with a JSON-RPC error that is none of the above."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.method, self.code, self.message), self.__dict__


class UnknownTagError(RpcError):
    """The node does not know `safe` or `finalized`. Count blocks instead."""


class UnknownMethodError(RpcError):
    """The node does not offer this method."""


class InconsistentNodeError(ChainError):
    """Answers that contradict each other or themselves: stale head, foreign hash, bloom without logs. Never written."""


class NoContractError(InconsistentNodeError):
    """The node has no code where a contract of ours should be: it lags far behind, or serves another chain."""


class WrongChainError(ChainError):
    """A provider serves another chain, or our contracts have no code there. Nothing to retry."""


TOO_LARGE: Final = (
    "range too large",
    "range is too large",
    "range is too wide",
    "range too wide",
    "block range",
    "blocks range",
    "ranges over",
    "range limit",
    "range exceeds",
    "exceeds the range",
    "exceeds max results",
    "exceeds limit of",
    "max range",
    "maximum range",
    "requested blocks",
    "too many blocks",
    "too many logs",
    "too many results",
    "too much data",
    "query returned more than",
    "returns more than",
    "more than 10000 results",
    "must be smaller than size",
    "limit the query to",
    "limited to",
    "limit exceeded",
    "response size",
    "response too large",
    "response is too big",
    "query timeout exceeded",
    "query timed out",
    "execution timeout",
)
LIMITED: Final = (
    "rate limit",
    "rate-limit",
    "ratelimit",
    "too many requests",
    "request limit",
    "requests per second",
    "request count exceeded",
    "compute units",
    "throughput",
    "capacity exceeded",
    "slow down",
)
_BATCH: Final = ("batch",)
_NO_METHOD: Final = (
    "method not found",
    "does not exist",
    "not supported",
    "unsupported",
    "not available",
    "not whitelisted",
)
_NO_TAG: Final = (
    "tag",
    "invalid block number",
    "invalid blocknumber",
    "unknown block",
    "block not found",
    "hex string",
)
_TOO_MANY_REQUESTS: Final = 429
_METHOD_NOT_FOUND: Final = -32601
_INVALID_PARAMS: Final = -32602
_LIMIT_EXCEEDED: Final = -32005


def classify(
    method: str, code: int, message: str, *, tag: bool = False, batch: int = 1, retry_after: float | None = None
) -> ChainError:
    """Return the error class of a JSON-RPC error object; wordings differ by provider, so the text decides.

    `tag` tells that the call named a block by a finality tag, `batch` how many calls an error for all of them is for.
    """
    text = message.lower()
    said = f"{method}: {message}"
    if code == _TOO_MANY_REQUESTS or any(word in text for word in LIMITED):
        return RateLimitedError(said, retry_after)
    if batch > 1 and any(word in text for word in _BATCH):
        return BatchRefusedError(said)
    if method == "eth_getLogs" and (code == _LIMIT_EXCEEDED or any(word in text for word in TOO_LARGE)):
        return RangeTooLargeError(said, hint_of(message))
    if tag and (code == _INVALID_PARAMS or any(word in text for word in _NO_TAG)):
        return UnknownTagError(method, code, message)
    if code == _METHOD_NOT_FOUND or (method in text and any(word in text for word in _NO_METHOD)):
        return UnknownMethodError(method, code, message)
    return RpcError(method, code, message)
