"""What can go wrong between us and a node, by what to do about it."""

from __future__ import annotations


class ChainError(Exception):
    """Base of everything the RPC kernel raises."""


class TransportError(ChainError):
    """No usable answer: refused, timed out, broken JSON, HTTP 5xx. Try another provider, then wait."""


class RateLimitedError(ChainError):
    """HTTP 429 or a provider's own wording of it. Wait, then ask for less."""


class RangeTooLargeError(ChainError):
    """The node refuses this many blocks or logs in one answer. Ask for a smaller range."""


class RpcError(ChainError):
    """The node answered with a JSON-RPC error that is none of the above."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code


class InconsistentNodeError(ChainError):
    """Answers that contradict each other or themselves: stale head, foreign hash, bloom without logs. Never written."""


class WrongChainError(ChainError):
    """A provider serves another chain, or our contracts have no code there. Nothing to retry."""


_TOO_LARGE = (
    "range too large",
    "range is too large",
    "block range",
    "blocks range",
    "query returned more than",
    "more than 10000 results",
    "response size exceeded",
    "response too large",
    "exceeds the range",
    "exceed maximum block range",
    "limited to",
    "too many results",
    "log response size",
    "query timeout exceeded",
)
_LIMITED = ("rate limit", "too many requests", "request limit", "compute units", "throughput", "capacity exceeded")


def classify(method: str, code: int, message: str) -> ChainError:
    """Return the error class of a JSON-RPC error object; wordings differ by provider, so the text decides."""
    text = message.lower()
    if code == 429 or any(word in text for word in _LIMITED):
        return RateLimitedError(f"{method}: {message}")
    if method == "eth_getLogs" and (code == -32005 or any(word in text for word in _TOO_LARGE)):
        return RangeTooLargeError(f"{method}: {message}")
    return RpcError(method, code, message)
