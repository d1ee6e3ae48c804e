"""HTTP with a bearer session: signs in when needed, repeats what may be repeated, and turns refusals into errors.

A GET may always be repeated. A POST carries an `Idempotency-Key`, so a repeat with the same key gets the first answer
and moves nothing twice; only the two sign-in calls are never repeated blindly, because their nonce is used up.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from aicp.client.errors import ClientError, ProblemError, Unreachable
from aicp.client.service import Nonce, Session, Ticket
from aicp.client.sessions import Sessions
from aicp.client.siwe import check_domain, sign_in_text
from aicp.client.wallet import Wallet

API: Final = "/api/v1"
_DELAYS: Final = (0.2, 0.6, 1.5, 3.0)
_RETRY_STATUS: Final = frozenset({429, 502, 503, 504})
_MAX_WAIT: Final = 10.0
_RENEW_BEFORE: Final = dt.timedelta(seconds=60)

Params = Mapping[str, str | int | bool | None]


def _problem(response: httpx.Response) -> ProblemError:
    try:
        document = response.json()
    except ValueError:
        document = {}
    return ProblemError(response.status_code, document if isinstance(document, dict) else {})


def _wait_seconds(response: httpx.Response | None, delay: float) -> float:
    asked = response.headers.get("retry-after", "") if response is not None else ""
    seconds = float(asked) if asked.isdigit() else delay
    # jitter keeps many agents from coming back in the same moment
    return min(seconds, _MAX_WAIT) * random.uniform(1.0, 1.2)  # noqa: S311


def _clean(params: Params | None) -> dict[str, str | int | bool]:
    return {key: value for key, value in (params or {}).items() if value is not None}


class Transport:
    """One connection pool to one service, with at most one session."""

    def __init__(
        self,
        url: str,
        wallet: Wallet | None,
        *,
        scopes: Sequence[str] = ("bid", "deliver", "read"),
        http: httpx.AsyncClient | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.wallet = wallet
        self._scopes = list(scopes)
        self._http = http or httpx.AsyncClient(timeout=httpx.Timeout(30.0, connect=5.0))
        self._sessions = sessions
        self._session: Session | None = None
        self._signing_in = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections; the session ends by itself."""
        await self._http.aclose()

    async def get(self, path: str, params: Params | None = None, *, auth: bool = False) -> Any:
        """Return the JSON of a GET. With a wallet the session is sent; `auth` insists on one."""
        return (await self._send("GET", path, auth=auth, params=_clean(params))).json()

    async def public(self, path: str) -> Any:
        """Return the JSON of a GET that needs no session, without signing in: what we learn decides whether we sign.

        Raises ProblemError, or Unreachable, also where whatever stands before the service answers in its place.
        """
        response = await self._attempts("GET", path)
        if response.is_server_error:
            raise Unreachable(f"{self.url} does not answer (status {response.status_code}).")
        if response.is_error:
            raise _problem(response)
        try:
            return response.json()
        except ValueError as error:
            raise Unreachable(f"What {self.url} answers is not the service's.") from error

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> Any:
        """Return the JSON of a POST by our session, or None for an empty answer."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        response = await self._send("POST", path, auth=True, json=dict(body or {}), headers=headers)
        return response.json() if response.content else None

    async def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON of a POST that changes nothing and needs no session."""
        return (await self._send("POST", path, auth=False, json=dict(body))).json()

    async def upload(self, path: str, file: Path, name: str, media_type: str) -> Any:
        """Send a file as a multipart form. Storage is by content, so a repeat stores nothing twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        content = await asyncio.to_thread(file.read_bytes)
        response = await self._send(
            "POST", path, auth=True, files={"file": (name, content, media_type)}, headers=headers
        )
        return response.json()

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the chunks of a GET by our session. Not repeated once it has begun: the caller has seen part of it."""
        try:
            async with AsyncExitStack() as open_streams:
                response = await open_streams.enter_async_context(await self._streamed(path))
                if response.status_code == httpx.codes.UNAUTHORIZED:
                    self._drop_session()
                    response = await open_streams.enter_async_context(await self._streamed(path))
                if response.is_error:
                    await response.aread()
                    raise _problem(response)
                yield response.aiter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} broke off ({type(error).__name__}).") from error

    async def _streamed(self, path: str) -> AbstractAsyncContextManager[httpx.Response]:
        return self._http.stream("GET", self.url + API + path, headers=await self._auth_headers())

    async def ticket(self) -> str:
        """Return a one-time ticket for the event stream."""
        return Ticket.read(await self.post("/auth/ws-ticket")).ticket

    async def session(self) -> Session:
        """Return a session that lasts a minute at least, signing in when there is none."""
        async with self._signing_in:
            current = self._session or self._kept()
            if current is None or current.expires_at - dt.datetime.now(dt.UTC) < _RENEW_BEFORE:
                current = await self._sign_in()
                if self._sessions is not None and self.wallet is not None:
                    self._sessions.keep(self.url, self.wallet.address, self._scopes, current)
            self._session = current
            return current

    async def sign_out(self) -> bool:
        """Forget our session, then end it at the service. Returns whether there was one.

        Raises Unreachable, or ProblemError, where the service has not ended it: it is forgotten here all the same.
        """
        current = self._session or self._kept()
        self._drop_session()
        if current is None:
            return False
        headers = {"Authorization": f"Bearer {current.token}"}
        response = await self._attempts("POST", "/auth/logout", headers=headers)
        if response.is_error and response.status_code != httpx.codes.UNAUTHORIZED:
            raise _problem(response)
        return True

    def _kept(self) -> Session | None:
        if self._sessions is None or self.wallet is None:
            return None
        return self._sessions.read(self.url, self.wallet.address, self._scopes)

    def _drop_session(self) -> None:
        self._session = None
        if self._sessions is not None and self.wallet is not None:
            self._sessions.forget(self.url, self.wallet.address, self._scopes)

    async def _sign_in(self) -> Session:
        if self.wallet is None:
            raise ClientError("This needs a wallet, to sign in.")
        offered = await self._attempts("POST", "/auth/nonce")
        if offered.is_error:
            raise _problem(offered)
        nonce = Nonce.read(offered.json())
        check_domain(self.url, nonce.domain)
        text = sign_in_text(nonce, self.wallet.address)
        body = {
            "message": text,
            "signature": "0x" + self.wallet.sign_text(text).hex(),
            "use": "bearer",
            "scopes": self._scopes,
        }
        try:
            response = await self._once("POST", "/auth/verify", json=body)
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} broke off while signing in ({type(error).__name__}).") from error
        if response.is_error:
            raise _problem(response)
        return Session.read(response.json())

    async def _auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(await self.session()).token}"}

    async def _send(self, method: str, path: str, *, auth: bool, **request: Any) -> httpx.Response:
        signed = auth or self.wallet is not None
        own = dict(request.pop("headers", {}))
        for last in (False, True):
            headers = own | (await self._auth_headers() if signed else {})
            response = await self._attempts(method, path, headers=headers, **request)
            if response.status_code == httpx.codes.UNAUTHORIZED and signed and not last:
                self._drop_session()  # revoked or forgotten by the service: one fresh sign-in
                continue
            break
        if response.is_error:
            raise _problem(response)
        return response

    async def _attempts(self, method: str, path: str, **request: Any) -> httpx.Response:
        failure: httpx.TransportError | None = None
        for delay in (*_DELAYS, None):
            response: httpx.Response | None = None
            try:
                response = await self._once(method, path, **request)
                if response.status_code not in _RETRY_STATUS or delay is None:
                    return response
            except httpx.TransportError as error:
                failure = error
            if delay is not None:
                await asyncio.sleep(_wait_seconds(response, delay))
        raise Unreachable(f"{self.url} does not answer ({type(failure).__name__}).") from failure

    async def _once(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self._http.request(method, self.url + API + path, **request)
