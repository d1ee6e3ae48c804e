"""What route functions ask for: the caller, the context, and the two ways to reach the database.

`write(fn)` runs `fn` in one transaction and returns only after the commit. With an `Idempotency-Key` the answer is
stored in that same transaction: the same request again gets the same answer, another request under the key a 409.

All are coroutines, also those that wait for nothing: FastAPI runs any other callable on a thread, which takes longer
than the callable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Header, Request
from fastapi.requests import HTTPConnection
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aicp.rules.primitives import parse_address
from backend.api.state import AppState, app_state, client_ip
from backend.auth import service as auth
from backend.auth.contract_wallets import require_vouched
from backend.auth.schemas import Scope
from backend.auth.service import Caller
from backend.context import Context
from backend.db.engine import Database
from backend.domain.signatures import Claim, NotByKey, vouched_for
from backend.errors import Forbidden, InvalidInput, Unauthenticated
from backend.outbox import service as outbox

T = TypeVar("T")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_KEY_LENGTH: Final = 200
MAX_CLAIMS: Final = 2
"""Signatures of one request a contract wallet is asked about: an act and the bond that pays for it."""


async def _app_state(connection: HTTPConnection) -> AppState:
    return app_state(connection)


State = Annotated[AppState, Depends(_app_state)]


async def _context(state: State) -> Context:
    return state.ctx


Ctx = Annotated[Context, Depends(_context)]


def token_in(connection: HTTPConnection, cookie_name: str) -> str | None:
    """Return the bearer token, or the cookie's where there is no Authorization header."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return connection.cookies.get(cookie_name)


OVER: Final = "The session is unknown, over or revoked."


async def _optional_caller(request: Request, state: State) -> Caller | None:
    token = token_in(request, state.cookie_name)
    if not token:
        return None
    return await state.db.look(lambda session: auth.caller_of(session, state.ctx, token))


OptionalSession = Annotated[Caller | None, Depends(_optional_caller)]


async def counted(request: Request, state: State, caller: OptionalSession) -> None:
    """Count the request against the caller's limits. Raises LimitExceeded."""
    await state.limits.request(
        address=None if caller is None else caller.address,
        ip=client_ip(request),
        write=request.method not in SAFE_METHODS,
    )


async def limited(request: Request, state: State, caller: OptionalSession) -> None:
    """Count the request as `counted`. Raises Unauthenticated for a bearer token that is over or unknown.

    A program that shows one has to hear of it, or it would go on as a stranger and see less. A page's old cookie claims
    nothing.
    """
    await counted(request, state, caller)
    if caller is None and "authorization" in request.headers and token_in(request, state.cookie_name):
        raise Unauthenticated(OVER)


async def _any_caller(request: Request, state: State, caller: OptionalSession) -> Caller:
    if caller is None:
        known = token_in(request, state.cookie_name) is not None
        raise Unauthenticated(OVER if known else "")
    return caller


AnySession = Annotated[Caller, Depends(_any_caller)]
"""The signed-in caller, whatever the session may do."""


async def _required_caller(request: Request, caller: AnySession) -> Caller:
    if request.method not in SAFE_METHODS and caller.scopes <= {"read"}:
        raise Forbidden("This session may only read.", scopes=sorted(caller.scopes))
    return caller


CurrentSession = Annotated[Caller, Depends(_required_caller)]
"""The signed-in caller; sessions that may only read are refused on unsafe methods."""


def require_scope(scope: Scope) -> Any:
    """Return a dependency that gives the caller and refuses bearer tokens without the scope."""

    async def check(caller: CurrentSession) -> Caller:
        if scope not in caller.scopes:
            raise Forbidden(f"This session lacks the scope {scope!r}.", scopes=sorted(caller.scopes))
        return caller

    return Depends(check)


BidSession = Annotated[Caller, require_scope("bid")]
DeliverSession = Annotated[Caller, require_scope("deliver")]


async def _operator(ctx: Ctx, caller: CurrentSession) -> Caller:
    if caller.address not in {parse_address(text) for text in ctx.settings.operators}:
        raise Forbidden("Only operators of this service see this.")
    return caller


OperatorSession = Annotated[Caller, Depends(_operator)]
"""The signed-in caller, who operates this service."""


class ReadRunner:
    """`await read(fn)`: one read-only transaction with one snapshot."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, fn: Callable[[Session], T]) -> T:
        return await self._db.read(fn)


class WriteRunner:
    """`await write(fn)`: one transaction, committed before the answer, repeatable under an Idempotency-Key.

    A signature the caller's key has not made is put to the caller's contract, if it is one, between two transactions.
    """

    def __init__(self, request: Request, state: AppState, caller: Caller | None, key: str | None) -> None:
        """Raises InvalidInput for a key of no or too many characters."""
        self._ctx = state.ctx
        if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise InvalidInput(f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters.")
        self._request = request
        self._db = state.db
        self._caller = caller
        self._key = None if request.method in SAFE_METHODS else key  # what a read writes beside is no answer to keep

    async def __call__(self, fn: Callable[[Session], T]) -> T:
        vouched: list[Claim] = []
        while True:
            try:
                with vouched_for(*vouched):
                    return await self._run(fn)
            except NotByKey as refused:
                mine = self._caller is not None and refused.claim.account == self._caller.address
                if not mine or len(vouched) == MAX_CLAIMS or refused.claim in vouched:
                    raise
                await require_vouched(self._ctx, refused)
                vouched.append(refused.claim)

    async def _run(self, fn: Callable[[Session], T]) -> T:
        if self._key is None or self._caller is None:
            return await self._db.write(fn)
        return await self._once(fn, self._key, self._caller.address)

    async def _once(self, fn: Callable[[Session], T], key: str, address: bytes) -> T:
        request_hash = await _request_hash(self._request)
        route = self._request.scope["route"]
        answers: TypeAdapter[Any] = TypeAdapter(route.response_model)

        def run(session: Session) -> T:
            stored = outbox.find_answer(session, address, key, route.name, request_hash)
            if stored is not None:
                repeated: T = answers.validate_python(stored.answer["value"])
                return repeated
            value = fn(session)
            outbox.store_answer(
                session,
                address,
                key,
                route.name,
                request_hash=request_hash,
                status=route.status_code or 200,
                answer={"value": answers.dump_python(value, mode="json")},
            )
            return value

        return await self._db.write(run)


async def _request_hash(request: Request) -> bytes:
    body = await request.body()
    line = f"{request.method} {request.url.path.removeprefix('/api/v1').removeprefix('/api')}?{request.url.query}\n"
    return hashlib.sha256(line.encode() + body).digest()


async def _reader(state: State) -> ReadRunner:
    return ReadRunner(state.db)


async def _writer(
    request: Request, state: State, caller: OptionalSession, idempotency_key: Annotated[str | None, Header()] = None
) -> WriteRunner:
    return WriteRunner(request, state, caller, idempotency_key)


Read = Annotated[ReadRunner, Depends(_reader)]
Write = Annotated[WriteRunner, Depends(_writer)]
