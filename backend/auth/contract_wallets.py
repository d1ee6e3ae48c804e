"""Asking a contract wallet on chain whether it has signed (ERC-1271, ERC-6492), outside of every transaction.

What the wallet says now decides only whether its message is taken in; a message that moves money is asked again by the
contract that carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from siwe.siwe import EIP6492_MAGIC_SUFFIX, EIP6492_VALIDATOR_BYTECODE

from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.domain.signatures import Claim, NotByKey
from backend.errors import ContractWalletRefused, InvalidSignature, Unavailable
from backend.nodes import Answers, first_answer, request, view_call

IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
"""Selector of `isValidSignature(bytes32,bytes)`, and its answer when it is."""

NOT_YET_THERE: Final = bytes.fromhex(EIP6492_MAGIC_SUFFIX)
"""Ends a signature that also says how its wallet is made, which may not have happened yet."""
VALIDATOR: Final = bytes.fromhex(EIP6492_VALIDATOR_BYTECODE.removeprefix("0x"))
"""Makes such a wallet and asks it, in a call that changes nothing; its last byte is 1 if the wallet has signed."""


def _tail(signature: bytes) -> bytes:
    """Return the ABI's words of a signature: its length, then its bytes."""
    return len(signature).to_bytes(32) + signature.ljust(-(-len(signature) // 32) * 32, b"\0")


def _call_data(claim: Claim) -> bytes:
    return IS_VALID_SIGNATURE + claim.digest + (64).to_bytes(32) + _tail(claim.signature)


def _validator_data(claim: Claim) -> bytes:
    return VALIDATOR + claim.account.rjust(32, b"\0") + claim.digest + (96).to_bytes(32) + _tail(claim.signature)


def _read(answers: Answers) -> tuple[bool, bool]:
    return bool(bytes.fromhex(answers[0]["result"][2:])), _vouches(_said(answers[1]))


def _said(answer: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(str(answer.get("result", "0x"))[2:])  # a reverting wallet has not signed


def _vouches(said: bytes) -> bool:
    return len(said) >= 32 and said[:4] == IS_VALID_SIGNATURE


async def _ask(ctx: Context, claim: Claim) -> tuple[bool, bool] | None:
    """Return whether the account is a contract and whether it vouches; None when no node answers."""
    body = [request(0, "eth_getCode", hex0x(claim.account), "latest"), view_call(1, claim.account, _call_data(claim))]
    return await first_answer(ctx, body, _read)


async def require_signed_in(ctx: Context, claim: Claim) -> None:
    """Return if the account is a contract wallet, or becomes one, that vouches for the claim.

    Raises InvalidSignature, and Unavailable where no node of our chain answers.
    """

    def read(answers: Answers) -> bool:
        if int(answers[0]["result"], 16) != ctx.deployment.chain_id:
            raise ValueError("a node of another chain")
        code, said = bytes.fromhex(answers[1]["result"][2:]), _said(answers[2])
        return said[-1:] == b"\x01" if not_yet_there else bool(code) and _vouches(said)

    not_yet_there = claim.signature.endswith(NOT_YET_THERE)
    if not_yet_there:
        asked = request(2, "eth_call", {"data": hex0x(_validator_data(claim))}, "latest")
    else:
        asked = view_call(2, claim.account, _call_data(claim))
    body = [request(0, "eth_chainId"), request(1, "eth_getCode", hex0x(claim.account), "latest"), asked]
    vouched = await first_answer(ctx, body, read)
    if vouched is None:
        raise Unavailable("No node answers whether this account is a contract that has signed.")
    if not vouched:
        raise InvalidSignature("The sign-in message was not signed by the account it names.")


async def require_vouched(ctx: Context, refused: NotByKey) -> None:
    """Return if the account is a contract wallet that vouches for the claim.

    Raises ContractWalletRefused where only plain keys may sign, otherwise the refusal itself.
    """
    answer = await _ask(ctx, refused.claim)
    if answer is None or not answer[0]:
        raise refused
    if not refused.contracts:
        raise ContractWalletRefused(
            "Bids and results are signed by a plain key, so that everybody can check them without a node.",
            what_to_do="Sign in as an agent with a plain account.",
        ) from refused
    if not answer[1]:
        raise refused
