"""Sign-in: nonce, verification, session, logout, WebSocket tickets."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.orm import Session

from backend.api.deps import AnySession, State, Write
from backend.api.state import AppState, client_ip
from backend.auth import service, siwe_text
from backend.auth.contract_wallets import require_signed_in
from backend.auth.origins import is_local, origin_of
from backend.auth.schemas import NonceOut, SessionOut, TicketOut, VerifyIn
from backend.auth.service import Caller, Opened
from backend.db.times import moment
from backend.domain.signatures import Claim
from backend.errors import SignInRefused
from backend.settings import Settings

router = APIRouter(prefix="/auth", tags=["auth"])

COOKIE: Final = "__Host-aicp"
PLAIN_COOKIE: Final = "aicp"

Origin = Annotated[str | None, Header()]


def cookie_of(settings: Settings) -> tuple[str, bool]:
    """Return the cookie's name and whether it is Secure.

    Browsers take Secure cookies over https and from this machine; only a plain-http deployment elsewhere (a test bed)
    gets the plain name, because a browser would drop the other one.
    """
    secure = settings.public_url.startswith("https://") or is_local(settings.public_url)
    return (COOKIE, True) if secure else (PLAIN_COOKIE, False)


def _session_out(caller: Caller, token: str | None = None) -> SessionOut:
    return SessionOut(
        address=caller.address,
        chain_id=caller.chain_id,
        kind=caller.kind,
        scopes=sorted(caller.scopes),
        expires_at=caller.expires_at,
        token=token,
    )


@router.post("/nonce")
async def create_nonce(request: Request, state: State, write: Write, origin: Origin = None) -> NonceOut:
    """Give out a nonce and the fields the sign-in message must carry."""
    await state.limits.nonce(client_ip(request))
    page = origin.lower() if origin is not None and origin.lower() in state.origins else None
    uri = page or origin_of(state.ctx.settings.public_url)

    def run(session: Session) -> NonceOut:
        row = service.new_nonce(session, state.ctx)
        return NonceOut(
            nonce=row.nonce,
            domain=uri.partition("://")[2],
            uri=uri,
            statement=siwe_text.STATEMENT,
            chain_id=state.ctx.deployment.chain_id,
            issued_at=row.created_at,
            expires_at=row.expires_at,
        )

    return await write(run)


async def _check(state: AppState, body: VerifyIn, origin: str | None) -> tuple[bytes, str]:
    """Return the account that signed and the nonce it signed; contract wallets are asked on chain."""
    message = siwe_text.parse(body.message)
    if message.prepare_message() != body.message:
        raise SignInRefused("The message is not in the exact form of EIP-4361.")
    now = moment(state.ctx.now())
    siwe_text.check_claims(
        message, origins=state.origins, chain_id=state.ctx.deployment.chain_id, now=now, origin=origin
    )
    account = siwe_text.address_in(message)
    if not siwe_text.is_signed_by_key(message, body.signature, now):
        await require_signed_in(state.ctx, Claim(account, siwe_text.digest(message), body.signature))
    return account, message.nonce


@router.post("/verify")
async def verify_sign_in(body: VerifyIn, response: Response, state: State, origin: Origin = None) -> SessionOut:
    """Check a signed EIP-4361 message and open a session: a cookie for pages, a bearer token for programs."""
    address, nonce = await _check(state, body, origin)

    def run(session: Session) -> Opened:
        scopes: list[str] = list(dict.fromkeys(body.scopes))
        return service.open_session(session, state.ctx, address=address, nonce=nonce, kind=body.use, scopes=scopes)

    opened = await state.db.write(run)
    if body.use == "bearer":
        return _session_out(opened.caller, opened.token)
    response.set_cookie(
        state.cookie_name,
        opened.token,
        max_age=state.ctx.settings.session_seconds,
        path="/",
        secure=state.cookie_secure,
        httponly=True,
        samesite="lax",
    )
    return _session_out(opened.caller)


@router.get("/session")
async def get_session(caller: AnySession) -> SessionOut:
    """Say who is signed in."""
    return _session_out(caller)


@router.post("/logout", status_code=204)
async def logout(caller: AnySession, state: State, response: Response) -> None:
    """Revoke the session at once."""
    await state.db.write(lambda session: service.close_session(session, state.ctx, caller.session_id))
    response.delete_cookie(state.cookie_name, path="/", secure=state.cookie_secure, httponly=True, samesite="lax")


@router.post("/ws-ticket")
async def create_ws_ticket(caller: AnySession, state: State) -> TicketOut:
    """Give out a one-time ticket for the WebSocket, valid for 30 seconds."""
    ticket, expires = await state.db.write(lambda session: service.new_ticket(session, state.ctx, caller.session_id))
    return TicketOut(ticket=ticket, expires_at=expires)
