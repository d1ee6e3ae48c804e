"""Extension `sign-in-with-x`: who has paid for a resource proves its address and reads it again without paying.

The nonce of an offer is made here and authenticates itself (no row is written for an offer nobody takes up); using it
writes it down, so that one signature opens the resource once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import siwe
from pydantic import Field, ValidationError

from aicp.rules.primitives import checksum
from backend.context import Context
from backend.db.times import moment
from backend.x402 import wire
from backend.x402.reasons import PaymentMalformed
from backend.x402.schemas import Address, Signature, Wire

NAME: Final = "sign-in-with-x"
HEADER: Final = "SIGN-IN-WITH-X"
STATEMENT: Final = "Open what you have paid for. This costs nothing and moves no money."
LIFETIME_SECONDS: Final = 300
SLACK_SECONDS: Final = 60
_Field = Annotated[str, Field(max_length=2048)]


class SignInPayload(Wire):
    """The proof in a SIGN-IN-WITH-X header."""

    domain: _Field
    address: Address
    uri: _Field
    version: Literal["1"]
    chain_id: _Field
    type: Literal["eip191"]
    nonce: Annotated[str, Field(pattern="^[A-Za-z0-9]{8,128}$")]
    issued_at: _Field
    statement: _Field | None = None
    expiration_time: _Field | None = None
    not_before: _Field | None = None
    request_id: _Field | None = None
    resources: Annotated[list[_Field], Field(max_length=16)] | None = None
    signature: Signature


def _mark(ctx: Context, random: str, expires: int, resource: str) -> str:
    secret = hashlib.sha256(b"x402 sign-in" + ctx.settings.operator_key.get_secret_value().encode()).digest()
    return hmac.new(secret, f"{random}:{expires}:{resource}".encode(), hashlib.sha256).hexdigest()[:32]


def _nonce(ctx: Context, resource: str) -> str:
    random, expires = secrets.token_hex(8), ctx.now() + LIFETIME_SECONDS
    return f"{random}{expires:010x}{_mark(ctx, random, expires, resource)}"


def nonce_is_ours(ctx: Context, nonce: str, resource: str) -> bool:
    """Return whether an offer for this resource made this nonce, less than its lifetime ago."""
    if len(nonce) != 58:
        return False
    random, expires_text, mark = nonce[:16], nonce[16:26], nonce[26:]
    try:
        expires = int(expires_text, 16)
    except ValueError:
        return False
    return hmac.compare_digest(mark, _mark(ctx, random, expires, resource)) and ctx.now() < expires


def declare(ctx: Context, resource: str) -> dict[str, Any]:
    """Return the extension as an offer carries it."""
    now = moment(ctx.now())
    return {
        NAME: {
            "info": {
                "domain": urlsplit(resource).netloc,
                "uri": resource,
                "statement": STATEMENT,
                "version": "1",
                "nonce": _nonce(ctx, resource),
                "issuedAt": _rfc3339(now),
                "expirationTime": _rfc3339(now + dt.timedelta(seconds=LIFETIME_SECONDS)),
                "resources": [resource],
            },
            "supportedChains": [{"chainId": f"eip155:{ctx.deployment.chain_id}", "type": "eip191"}],
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    name: {"type": "string"}
                    for name in ("domain", "address", "uri", "version", "chainId", "type", "nonce", "issuedAt",
                                 "signature")
                },
                "required": ["domain", "address", "uri", "version", "chainId", "type", "nonce", "issuedAt",
                             "signature"],
            },
        }
    }  # fmt: skip


def _rfc3339(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(header: str) -> SignInPayload:
    """Return the proof in a header. Raises PaymentMalformed."""
    try:
        return SignInPayload.model_validate(wire.decode(header))
    except ValidationError as error:
        raise PaymentMalformed(f"The sign-in does not read: {wire.complaint(error)}.") from error


def problem(ctx: Context, proof: SignInPayload, resource: str) -> str | None:
    """Return why a proof does not open this resource now, None when it does; its nonce is used up elsewhere.

    Plain keys only: a contract wallet's word would have to be asked on chain.
    """
    at, now = urlsplit(resource), moment(ctx.now())
    if proof.domain != at.netloc:
        return "invalid_siwx_domain_mismatch"
    if proof.uri != resource:
        return "invalid_siwx_uri_mismatch"
    if proof.chain_id != f"eip155:{ctx.deployment.chain_id}":
        return "invalid_siwx_unsupported_chain"
    if not nonce_is_ours(ctx, proof.nonce, resource):
        return "invalid_siwx_nonce"
    try:
        message = siwe.SiweMessage(
            domain=proof.domain, address=checksum(proof.address), statement=proof.statement, uri=proof.uri,
            version=proof.version, chain_id=ctx.deployment.chain_id, nonce=proof.nonce, issued_at=proof.issued_at,
            expiration_time=proof.expiration_time, not_before=proof.not_before, request_id=proof.request_id,
            resources=proof.resources,
        )  # fmt: skip
        issued = dt.datetime.fromisoformat(proof.issued_at)
        if issued > now + dt.timedelta(seconds=SLACK_SECONDS):
            return "invalid_siwx_issued_at_in_future"
        message.verify("0x" + proof.signature.hex(), timestamp=now)
    except siwe.VerificationError:
        return "invalid_siwx_signature"
    except (ValueError, TypeError):  # pydantic's complaints are ValueErrors
        return "invalid_siwx_malformed_message"
    return None
