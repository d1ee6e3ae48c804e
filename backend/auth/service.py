"""Sign-in and sessions.

Invariants: a nonce opens at most one session (one conditional UPDATE decides), tokens and tickets are random and only
their SHA-256 is stored, and a revoked or expired session is no session on the very next request.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

import siwe
from sqlalchemy import Row
from sqlalchemy.orm import Session as DbSession

from backend.auth import repo
from backend.auth.models import Session, SiweNonce, WsTicket
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment
from backend.errors import SignInRefused, Unauthenticated

TICKET_SECONDS: Final = 30
KEEP: Final = dt.timedelta(days=1)
"""What is over is kept so long, so that no process whose clock is behind misses one that lives."""
AT_ONCE: Final = 500
"""A session's end looks through the tickets, so few end together."""
Kind = Literal["cookie", "bearer"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from: a live session."""

    session_id: uuid.UUID
    address: bytes
    chain_id: int
    kind: Kind
    scopes: frozenset[str]
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened, with its token, which is not kept anywhere."""

    caller: Caller
    token: str


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _caller(row: Session | Row[uuid.UUID, bytes, int, str, list[str], dt.datetime]) -> Caller:
    kind: Kind = "cookie" if row.kind == "cookie" else "bearer"
    return Caller(row.id, row.address, row.chain_id, kind, frozenset(row.scopes), row.expires_at)


def new_nonce(session: DbSession, ctx: Context) -> SiweNonce:
    """Store and return a fresh nonce; forget those that expired a day ago."""
    now = moment(ctx.now())
    session.execute(repo.drop_nonces(now - KEEP))
    row = SiweNonce(
        nonce=siwe.generate_nonce(),
        expires_at=now + dt.timedelta(seconds=ctx.settings.siwe_nonce_seconds),
        used_at=None,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def open_session(
    session: DbSession, ctx: Context, *, address: bytes, nonce: str, kind: Kind, scopes: list[str]
) -> Opened:
    """Use up the nonce and open a session for an account whose signature was checked. Raises SignInRefused."""
    now = moment(ctx.now())
    if session.execute(repo.use_nonce(nonce, now)).scalar_one_or_none() is None:
        raise SignInRefused("The nonce is unknown, used or expired.", what_to_do="Ask for a new nonce.", claim="nonce")
    seconds = ctx.settings.session_seconds if kind == "cookie" else ctx.settings.bearer_seconds
    token = secrets.token_urlsafe(32)
    row = Session(
        id=new_id(),
        token_hash=_hash(token),
        address=address,
        chain_id=ctx.deployment.chain_id,
        kind=kind,
        scopes=scopes,
        created_at=now,
        expires_at=now + dt.timedelta(seconds=seconds),
        revoked_at=None,
    )
    session.add(row)
    session.flush()
    return Opened(_caller(row), token)


def caller_of(session: DbSession, ctx: Context, token: str) -> Caller | None:
    """Return whom a token belongs to, None when it is unknown, revoked or over."""
    asked = {"token_hash": _hash(token), "now": moment(ctx.now())}
    row = session.execute(repo.LIVE_SESSION, asked).one_or_none()
    return None if row is None else _caller(row)


def still_live(session: DbSession, ctx: Context, session_id: uuid.UUID) -> bool:
    """Return whether the session is neither revoked nor over."""
    return session.execute(repo.session_of(session_id, moment(ctx.now()))).scalar_one_or_none() is not None


def close_session(session: DbSession, ctx: Context, session_id: uuid.UUID) -> None:
    """Revoke a session at once."""
    session.execute(repo.revoke(session_id, moment(ctx.now())))


def forget_over(session: DbSession, ctx: Context) -> int:
    """Forget tickets and sessions that were over a day ago, some at a time; return how many sessions."""
    before = moment(ctx.now()) - KEEP
    session.execute(repo.drop_tickets(before))
    gone: Any = session.execute(repo.drop_sessions(before, AT_ONCE))
    return int(gone.rowcount)


def new_ticket(session: DbSession, ctx: Context, session_id: uuid.UUID) -> tuple[str, dt.datetime]:
    """Return a one-time WebSocket ticket of the session and when it expires."""
    token = secrets.token_urlsafe(24)
    expires = moment(ctx.now() + TICKET_SECONDS)
    session.add(WsTicket(ticket_hash=_hash(token), session_id=session_id, expires_at=expires, used_at=None))
    session.flush()
    return token, expires


def use_ticket(session: DbSession, ctx: Context, ticket: str) -> Caller:
    """Use up a ticket and return its session. Raises Unauthenticated."""
    now = moment(ctx.now())
    session_id = session.execute(repo.use_ticket(_hash(ticket), now)).scalar_one_or_none()
    row = None
    if session_id is not None:
        row = session.execute(repo.session_of(session_id, now)).scalar_one_or_none()
    if row is None:
        raise Unauthenticated("The ticket is unknown, used or expired.")
    return _caller(row)
