"""What every request passes: a request id, a log line, security headers, the Origin rule, and limits on bodies.

Plain ASGI, so that nothing is buffered on the way. The log names the route, never the path's content or a body.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from http.cookies import CookieError, SimpleCookie
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.metrics import Metrics
from backend.api.problems import problem_response
from backend.errors import Internal, InvalidInput, OriginRefused, Problem, TooLarge

LOG = structlog.get_logger("aicp.access")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
ETAG_LIMIT: Final = 1 << 20


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a problem document from inside a middleware."""
    await problem_response(problem)(scope, receive, send)


def _route_of(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "name", None) or "none"


class RequestContext:
    """Outermost: ids, headers, log and figures; an unexpected error becomes a 500 that says nothing."""

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: dict[str, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            LOG.exception("request_failed", route=_route_of(scope), error=type(error).__name__)
            if status:
                raise  # the answer is already under way; the server cuts the connection
            await refuse(Internal(request_id=request_id), scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            route = _route_of(scope)
            self._metrics.observe(scope["method"], route, status, seconds)
            LOG.info(
                "request", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1)
            )
            structlog.contextvars.unbind_contextvars("request_id")


class NoZeroBytes:
    """Refuses addresses with a zero byte: nothing is named so, and the database takes it for an error of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope.get("query_string", b"")):
            await refuse(InvalidInput("An address holds no zero byte."), scope, receive, send)
            return
        await self._app(scope, receive, send)


class OriginRule:
    """Unsafe requests from a page must come from our own origins; a cookie without an Origin is not enough."""

    def __init__(self, app: ASGIApp, origins: frozenset[str], cookie_name: str) -> None:
        self._app = app
        self._origins = origins
        self._cookie = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE and not self._allows(Headers(scope=scope)):
            await refuse(OriginRefused(), scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allows(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return origin.lower() in self._origins
        if "authorization" in headers:
            return True
        try:
            return self._cookie not in SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False


class BodyLimit:
    """Refuses bodies above the limit, announced or streamed; uploads have their own."""

    def __init__(self, app: ASGIApp, limit: int, uploads: frozenset[str], upload_limit: int) -> None:
        self._app = app
        self._limit = limit
        self._uploads = uploads
        self._upload_limit = upload_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_limit if scope["path"] in self._uploads else self._limit
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isascii() or not announced.isdigit() or int(announced) > limit:
            await refuse(TooLarge(max_bytes=limit), scope, receive, send)
            return
        body = _CountedBody(limit, receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except TooLarge:
            if body.started:
                raise
        if body.refused and not body.started:
            await refuse(TooLarge(max_bytes=limit), scope, receive, send)


class _CountedBody:
    """Counts a streamed body; past the limit the app's own words about a body it could not read are dropped."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self.refused = False
        self.started = False
        self._limit = limit
        self._received = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self._limit:
                self.refused = True
                raise TooLarge(max_bytes=self._limit)
        return message

    async def send(self, message: Message) -> None:
        if self.refused and not self.started:
            return
        self.started = True
        await self._send(message)


class EntityTags:
    """Gives JSON answers to GET a weak ETag, and answers 304 to those who have them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get("if-none-match")
        start: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                whole = int(headers.get("content-length", ETAG_LIMIT + 1)) <= ETAG_LIMIT
                json_answer = headers.get("content-type", "").startswith("application/json")
                if message["status"] == 200 and json_answer and whole:
                    start = message
                    return
            elif message["type"] == "http.response.body" and start is not None:
                await _send_tagged(start, message, wanted, send)
                start = None
                return
            await send(message)

        await self._app(scope, receive, tagged)


async def _send_tagged(start: Message, body: Message, wanted: str | None, send: Send) -> None:
    tag = f'W/"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
    headers = MutableHeaders(raw=start["headers"])
    headers["ETag"] = tag
    headers.setdefault("Cache-Control", "private, no-cache")
    if wanted is not None and tag in {part.strip() for part in wanted.split(",")}:
        del headers["content-length"]
        await send({"type": "http.response.start", "status": 304, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
    await send(body)
