"""The event stream: one WebSocket, reconnected for ever, resumed where it broke.

Events say that something changed; the state itself is always read over REST, so a lost event costs time, not truth.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from aicp.client.errors import Mismatch, ProblemError, Unreachable
from aicp.client.models import Event
from aicp.client.transport import API, Transport

_SILENCE_SECONDS: Final = 45.0
"""Three missed heartbeats: the connection is dead even if nobody closed it."""
_MAX_DELAY: Final = 15.0
_log = logging.getLogger("aicp.client")


async def _connection(transport: Transport, since: int | None) -> AsyncIterator[Event]:
    query: dict[str, str | int] = {}
    if transport.wallet is not None:
        query["ticket"] = await transport.ticket()
    if since is not None:
        query["since"] = since
    url = "ws" + transport.url.removeprefix("http") + API + "/ws" + (f"?{urlencode(query)}" if query else "")
    async with connect(url, open_timeout=10, max_size=1 << 20) as socket:
        while True:
            async with asyncio.timeout(_SILENCE_SECONDS):
                text = await socket.recv()
            yield Event.read(json.loads(text))


def _resumed(since: int | None, event: Event) -> int:
    """Return the number to go on behind after an event.

    A hello may be ahead of what is sent behind it, which a break in between must not skip.
    """
    if event.type != "hello":
        return max(since or 0, event.seq)
    return event.seq if since is None or event.gap else since


async def listen(transport: Transport, since: int | None = None) -> AsyncIterator[Event]:
    """Yield events for ever. After a break it resumes after the last sequence number it has seen.

    Raises ProblemError when the service refuses us for good (a revoked or forbidden session).
    """
    delay = 0.5
    while True:
        try:
            async for event in _connection(transport, since):
                delay = 0.5
                since = _resumed(since, event)
                if event.type != "heartbeat":
                    yield event
        except ProblemError as error:
            if not error.retryable:
                raise
            _log.warning("event stream: %s", error)
        except (OSError, TimeoutError, InvalidURI, InvalidHandshake, WebSocketException, Unreachable) as error:
            _log.info("event stream broke off (%s); reconnecting", type(error).__name__)
        except (ValueError, Mismatch) as error:
            _log.warning("event stream sent something unreadable: %s", type(error).__name__)
        await asyncio.sleep(delay * random.uniform(1.0, 1.3))  # noqa: S311
        delay = min(delay * 2, _MAX_DELAY)
