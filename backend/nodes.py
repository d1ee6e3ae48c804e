"""Asking the chain's nodes from the API: one client a running loop, the nodes in turn, and nobody is waited for long.

A client of its own for every question would read the certificates and connect anew each time. What moves money asks
through `txm.rpc`, which also doubts a node that serves another chain.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeVar

import httpx
import structlog

from aicp.abi.runtime import DecodeError
from aicp.rules.primitives import hex0x
from backend.certificates import for_nodes
from backend.context import Context

T = TypeVar("T")
Answers = Mapping[int, Mapping[str, Any]]
"""A node's answers by the number of their request; each has a `result` or an `error`."""

LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=2.0)
"""As many connections as questions, or a silent node would take them all and the next one would not be asked."""
NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=[])
CUT_OFF: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
NO_ANSWER: Final = (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, DecodeError, RecursionError)
"""What comes of a node that is away, or answers with what is no answer."""

_log = structlog.get_logger("nodes")
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = weakref.WeakKeyDictionary()


def client() -> httpx.AsyncClient:
    """Return the client of the running loop."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = _clients[loop] = httpx.AsyncClient(verify=for_nodes(), limits=LIMITS, cookies=CookieJar(NO_COOKIES))
    return found


async def close() -> None:
    """Close the connections of the running loop."""
    found = _clients.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()


def request(number: int, method: str, *params: Any) -> dict[str, Any]:
    """Return one request of a batch."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def view_call(number: int, to: bytes, data: bytes) -> dict[str, Any]:
    """Return a request for what a view says at the newest block."""
    return request(number, "eth_call", {"to": hex0x(to), "data": hex0x(data)}, "latest")


async def post(url: str, body: Sequence[dict[str, Any]], timeout_seconds: float) -> Answers:
    """Send a batch of questions to one node, which has so long for its whole answer. Raises what `NO_ANSWER` names.

    A kept connection may end just as it is used again; what only asks is asked once more.
    """
    async with asyncio.timeout(timeout_seconds):
        try:
            response = await client().post(url, json=body, timeout=timeout_seconds)
        except CUT_OFF:
            response = await client().post(url, json=body, timeout=timeout_seconds)
    return {answer["id"]: answer for answer in response.json()}


async def first_answer(
    ctx: Context, body: Sequence[dict[str, Any]], read: Callable[[Answers], T], *, patience_seconds: float | None = None
) -> T | None:
    """Ask the nodes in turn; return what `read` makes of the first answers it can read, None where there are none.

    A node may take the settings' time, or `patience_seconds` where that is less.
    """
    wait = ctx.settings.rpc_timeout_seconds
    wait = wait if patience_seconds is None else min(wait, patience_seconds)
    for url in ctx.settings.rpc_urls:
        try:
            return read(await post(url, body, wait))
        except NO_ANSWER as error:
            _log.warning("a node was asked in vain", error=type(error).__name__)
    return None
