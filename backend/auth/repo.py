"""Statements over sign-in nonces, sessions and WebSocket tickets."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from sqlalchemy import Delete, Select, Update, bindparam, delete, or_, select, update

from backend.auth.models import Session, SiweNonce, WsTicket


def use_nonce(nonce: str, now: dt.datetime) -> Update:
    """Take the nonce if it is unused and alive; one row or none, whoever else tries."""
    return (
        update(SiweNonce)
        .where(SiweNonce.nonce == nonce, SiweNonce.used_at.is_(None), SiweNonce.expires_at > now)
        .values(used_at=now)
        .returning(SiweNonce.nonce)
    )


def drop_nonces(before: dt.datetime) -> Delete:
    """Forget nonces that expired before a moment."""
    return delete(SiweNonce).where(SiweNonce.expires_at < before)


def drop_tickets(before: dt.datetime) -> Delete:
    """Forget WebSocket tickets that expired before a moment."""
    return delete(WsTicket).where(WsTicket.expires_at < before)


def drop_sessions(before: dt.datetime, limit: int) -> Delete:
    """Forget some sessions that ended before a moment, by their time or by a word of their owner."""
    over = select(Session.id).where(or_(Session.expires_at < before, Session.revoked_at < before)).limit(limit)
    return delete(Session).where(Session.id.in_(over))


LIVE_SESSION: Final = select(
    Session.id, Session.address, Session.chain_id, Session.kind, Session.scopes, Session.expires_at
).where(
    Session.token_hash == bindparam("token_hash"),
    Session.revoked_at.is_(None),
    Session.expires_at > bindparam("now"),
)
"""The session of a token, if neither revoked nor over. Made once: every request asks it."""


def revoke(session_id: uuid.UUID, now: dt.datetime) -> Update:
    """End a session."""
    return update(Session).where(Session.id == session_id, Session.revoked_at.is_(None)).values(revoked_at=now)


def use_ticket(ticket_hash: bytes, now: dt.datetime) -> Update:
    """Take a WebSocket ticket if it is unused and alive."""
    return (
        update(WsTicket)
        .where(WsTicket.ticket_hash == ticket_hash, WsTicket.used_at.is_(None), WsTicket.expires_at > now)
        .values(used_at=now)
        .returning(WsTicket.session_id)
    )


def session_of(session_id: uuid.UUID, now: dt.datetime) -> Select[Session]:
    """A session by id, if it still lives."""
    return select(Session).where(Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > now)
