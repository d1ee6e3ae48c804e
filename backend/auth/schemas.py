"""Sign-in with Ethereum (EIP-4361) and what a session may do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.api.types import AddressText, Model, SignatureText, UtcTime

Scope = Literal["bid", "deliver", "read"]


class NonceOut(Model):
    """What the sign-in message must carry."""

    nonce: str
    domain: str
    uri: str
    statement: str
    chain_id: int
    issued_at: UtcTime
    expires_at: UtcTime


class VerifyIn(Model):
    """The signed EIP-4361 text. `use` decides between a cookie (browsers) and a bearer token (programs)."""

    message: str = Field(max_length=4096)
    signature: SignatureText
    use: Literal["cookie", "bearer"] = "cookie"
    scopes: list[Scope] = Field(default=["bid", "deliver", "read"])


class SessionOut(Model):
    """The session. `token` is present once, and only for `use=bearer`."""

    address: AddressText
    chain_id: int
    kind: Literal["cookie", "bearer"]
    scopes: list[str]
    expires_at: UtcTime
    token: str | None = None


class TicketOut(Model):
    """A one-time ticket for `GET /api/v1/ws?ticket=`."""

    ticket: str
    expires_at: UtcTime
