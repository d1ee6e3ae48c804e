"""One JSON-RPC node: every request has a deadline, a revert keeps its data, failures open a circuit breaker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from backend.txm.deadline import Deadline
from indexer.chain.breaker import Breaker


class NodeUnreachable(Exception):  # noqa: N818  # a fact about the node, not about the call
    """No usable answer within the deadline: the outcome of the call is unknown."""


class WrongChain(NodeUnreachable):
    """The node serves another chain than ours and was not asked."""


@dataclass(slots=True, unsafe_hash=True)  # not frozen: context managers set the traceback of what passes them
class NodeError(Exception):
    """The node answered with an error object; `data` is the revert data, if it sent any."""

    code: int
    message: str
    data: bytes = b""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What became of the newest requests to a node. `wrong_chain` where it serves another one than ours."""

    name: str
    answers: bool
    failures: int
    last_error: str | None
    wrong_chain: bool


def _revert_data(error: dict[str, Any]) -> bytes:
    data: Any = error.get("data")
    if isinstance(data, dict):  # some nodes nest it
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""


def _error_of(error: Any) -> NodeError:
    if not isinstance(error, dict):
        raise NodeUnreachable("an error that is none")
    code = error.get("code")
    return NodeError(code if isinstance(code, int) else 0, str(error.get("message", "")), _revert_data(error))


def result_of(answer: Any) -> Any:
    """Return the result in a JSON-RPC answer. Raises NodeError for an error object, NodeUnreachable for nonsense."""
    if not isinstance(answer, dict):
        raise NodeUnreachable("not a JSON-RPC answer")
    error = answer.get("error")
    if error is not None:
        raise _error_of(error)
    if "result" not in answer:
        raise NodeUnreachable("an answer without a result")
    return answer["result"]


def result_or_error(answer: Any) -> Any:
    """Return the result in a JSON-RPC answer, or the NodeError. Raises NodeUnreachable for nonsense."""
    try:
        return result_of(answer)
    except NodeError as error:
        return error


@dataclass(slots=True)
class Node:
    """One node by URL. `trusted` once it has told that it serves our chain, until it fails."""

    url: str
    timeout_seconds: float
    trusted: bool = field(default=False, init=False)
    breaker: Breaker = field(default_factory=Breaker, init=False)
    last_error: NodeUnreachable | None = field(default=None, init=False)
    clock: Callable[[], float] = field(default=time.monotonic, init=False)
    _http: httpx.Client = field(init=False)
    _deadline: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=httpx.Timeout(self.timeout_seconds, connect=min(5.0, self.timeout_seconds)))
        self._deadline = Deadline(self._http)

    @property
    def host(self) -> str:
        """Where it is, without what the URL keeps secret."""
        url = httpx.URL(self.url)
        return url.host if url.port is None else f"{url.host}:{url.port}"

    def rests(self) -> bool:
        """Return whether it has failed lately and is asked only where no other node is left."""
        return not self.breaker.allows(self.clock())

    def succeeded(self) -> None:
        """Note an answer."""
        if self.last_error is not None:
            self.breaker.succeeded()
            self.last_error = None

    def failed(self, error: NodeUnreachable) -> None:
        """Note that there was none."""
        self.trusted = False
        self.last_error = error
        self.breaker.failed(self.clock())

    def post(self, body: Any, deadline_seconds: float | None = None) -> Any:
        """Return the decoded answer, all of it in time, or in less if asked to. Raises NodeUnreachable."""
        self._deadline.begin(self.timeout_seconds if deadline_seconds is None else deadline_seconds)
        try:
            response = self._http.post(self.url, json=body)
            if response.status_code != 200:
                raise NodeUnreachable(f"HTTP {response.status_code}")
            return response.json()
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise NodeUnreachable(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
