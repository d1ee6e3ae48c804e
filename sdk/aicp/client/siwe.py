"""The EIP-4361 text a program signs to sign in."""

from __future__ import annotations

from urllib.parse import urlsplit

from aicp.client.errors import Mismatch
from aicp.client.service import Nonce
from aicp.rules.documents import rfc3339
from aicp.rules.primitives import checksum

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_domain(url: str, domain: str) -> None:
    """Raise Mismatch unless the service asks us to sign in to the host we talk to.

    A service that relays another site's nonce would otherwise get a session there. The names of the local machine
    count as one host.
    """
    ours, theirs = urlsplit(url), urlsplit(f"//{domain}")
    same_host = ours.hostname == theirs.hostname or {ours.hostname, theirs.hostname} <= _LOOPBACK
    if not same_host or (theirs.port is not None and theirs.port != ours.port and ours.hostname not in _LOOPBACK):
        raise Mismatch(f"{url} asks for a sign-in to {domain}, which is another site. Nothing was signed.")


def sign_in_text(nonce: Nonce, address: bytes) -> str:
    """Return the message of EIP-4361 for this nonce. Raises Mismatch for fields that would add lines to it."""
    for field in (nonce.domain, nonce.uri, nonce.statement, nonce.nonce):
        if any(ord(char) < 0x20 for char in field):
            raise Mismatch("The sign-in nonce holds control characters. Nothing was signed.")
    return (
        f"{nonce.domain} wants you to sign in with your Ethereum account:\n{checksum(address)}\n\n"
        f"{nonce.statement}\n\n"
        f"URI: {nonce.uri}\nVersion: 1\nChain ID: {nonce.chain_id}\nNonce: {nonce.nonce}\n"
        f"Issued At: {rfc3339(nonce.issued_at)}\nExpiration Time: {rfc3339(nonce.expires_at)}"
    )
