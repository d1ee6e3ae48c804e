"""Sign-in: single-use nonces, sessions hashed at rest, one-time WebSocket tickets."""

from __future__ import annotations

import uuid

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn, Moment


class SiweNonce(Base):
    """A nonce we gave out; usable once, until it expires."""

    __tablename__ = "siwe_nonce"

    nonce: Mapped[str] = mapped_column(Text, primary_key=True)
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = ({"schema": "app"},)


class Session(Base):
    """A signed-in wallet. Only the SHA-256 of the token is stored. `kind`: cookie or bearer."""

    __tablename__ = "session"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[HashColumn] = mapped_column(unique=True)
    address: Mapped[AddressColumn] = mapped_column(index=True)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]

    __table_args__ = ({"schema": "app"},)


class WsTicket(Base):
    """A one-time ticket for the WebSocket handshake, valid for 30 seconds."""

    __tablename__ = "ws_ticket"

    ticket_hash: Mapped[HashColumn] = mapped_column(primary_key=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("app.session.id", ondelete="CASCADE"))
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]

    __table_args__ = ({"schema": "app"},)
