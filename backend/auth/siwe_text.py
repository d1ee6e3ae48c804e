"""The sign-in message of EIP-4361: what we ask for, and whether a signed one is meant for us, now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Final

import siwe
from pydantic import ValidationError

from aicp.rules.primitives import hex0x, keccak, parse_address
from backend.auth.origins import origin_of
from backend.errors import SignInRefused

STATEMENT: Final = "Sign in to AICP. This costs nothing and moves no money."
CLOCK_SLACK: Final = dt.timedelta(seconds=60)


def parse(text: str) -> siwe.SiweMessage:
    """Return the message. Raises SignInRefused when it is not EIP-4361."""
    try:
        return siwe.SiweMessage.from_message(text)
    except (ValueError, ValidationError) as error:
        raise SignInRefused("This is not an EIP-4361 message.") from error


def check_claims(
    message: siwe.SiweMessage, *, origins: Collection[str], chain_id: int, now: dt.datetime, origin: str | None
) -> None:
    """Check domain, URI, chain and times; the nonce is checked by using it up, the signature apart.

    `origin` is the page the request came from, where a browser says so: a message for another page is refused, which
    is what stops a look-alike site from signing its visitors in here. Raises SignInRefused.
    """
    uri_origin = origin_of(str(message.uri))
    if uri_origin not in origins:
        raise SignInRefused("The message is for another site (uri).", claim="uri")
    if message.domain.lower() != uri_origin.partition("://")[2]:
        raise SignInRefused("The message is for another site (domain).", claim="domain")
    if message.scheme is not None and message.scheme != uri_origin.partition("://")[0]:
        raise SignInRefused("The message is for another site (scheme).", claim="scheme")
    if origin is not None and origin.lower() != uri_origin:
        raise SignInRefused("The message was signed for another page than the one that sends it.", claim="origin")
    if message.chain_id != chain_id:
        raise SignInRefused("The message is for another chain.", claim="chain_id", chain_id=chain_id)
    issued = message.issued_at._datetime  # noqa: SLF001  # the library's only parsed form
    if issued > now + CLOCK_SLACK:
        raise SignInRefused("The message is from the future; check the clock.", claim="issued_at")
    if message.expiration_time is not None and message.expiration_time._datetime <= now:  # noqa: SLF001
        raise SignInRefused("The message has expired.", claim="expiration_time")
    if message.not_before is not None and message.not_before._datetime > now:  # noqa: SLF001
        raise SignInRefused("The message is not valid yet.", claim="not_before")


def is_signed_by_key(message: siwe.SiweMessage, signature: bytes, now: dt.datetime) -> bool:
    """Return whether the key of the named account has signed."""
    try:
        message.verify(hex0x(signature), timestamp=now)
    except siwe.VerificationError:
        return False
    return True


def digest(message: siwe.SiweMessage) -> bytes:
    """Return what a wallet signs of the message (EIP-191)."""
    text = message.prepare_message().encode()
    return keccak(b"\x19Ethereum Signed Message:\n%d" % len(text) + text)


def address_in(message: siwe.SiweMessage) -> bytes:
    """Return the account the message names."""
    return parse_address(message.address)
