"""One way to ask whether a message was signed by whom it binds.

Plain keys are recovered here. A contract wallet (ERC-1271) has to be asked on chain, which no transaction waits for:
the refusal carries what was claimed, the boundary asks the wallet and, if it vouches, runs the same request again with
that claim marked as vouched for. A claim binds account, digest and signature, so nothing else passes by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from aicp.abi.runtime import Domain, EncodeError, TypedMessage
from aicp.abi.signing import SignatureError, recover
from backend.errors import InvalidInput, InvalidSignature


@dataclass(frozen=True, slots=True)
class Claim:
    """That an account has signed a digest."""

    account: bytes
    digest: bytes
    signature: bytes


class NotByKey(InvalidSignature):
    """No plain key of the account has made this signature; where `contracts` is set a contract wallet may have."""

    def __init__(self, detail: str, claim: Claim, *, contracts: bool) -> None:
        super().__init__(detail)
        self.claim = claim
        self.contracts = contracts


_vouched: Final[ContextVar[frozenset[Claim]]] = ContextVar("vouched", default=frozenset())


@contextmanager
def vouched_for(*claims: Claim) -> Iterator[None]:
    """Let claims pass that their contract wallet has confirmed on chain."""
    token = _vouched.set(frozenset(claims))
    try:
        yield
    finally:
        _vouched.reset(token)


def require_account(digest: bytes, signature: bytes, account: bytes, *, contracts: bool = False) -> None:
    """Raise NotByKey unless the account has signed the digest, by its key or, with `contracts`, by its contract."""
    claim = Claim(account, digest, signature)
    if contracts and claim in _vouched.get():
        return
    try:
        found = recover(digest, signature)
    except SignatureError as error:
        raise NotByKey(f"The signature is malformed: {error}.", claim, contracts=contracts) from error
    if found != account:
        sentence = f"Expected a signature of 0x{account.hex()}, got one of 0x{found.hex()}."
        raise NotByKey(sentence, claim, contracts=contracts)


def require_signer(message: TypedMessage, domain: Domain, signature: bytes, signer: bytes) -> bytes:
    """Return the message's digest. Raises InvalidSignature unless `signer`, key or contract, has signed it."""
    digest = _digest(message, domain)
    require_account(digest, signature, signer, contracts=True)
    return digest


def require_key(message: TypedMessage, domain: Domain, signature: bytes, signer: bytes) -> bytes:
    """Return the message's digest. Raises InvalidSignature unless the plain key of `signer` has signed it."""
    digest = _digest(message, domain)
    require_account(digest, signature, signer)
    return digest


def _digest(message: TypedMessage, domain: Domain) -> bytes:
    try:
        return message.digest(domain)
    except EncodeError as error:
        raise InvalidInput(str(error)) from error
