"""Asking a contract wallet on chain whether it has signed (ERC-1271), outside of every transaction.

What the wallet says now decides only whether its message is taken in; a message that moves money is asked again by the
contract that carries it out.
"""

from __future__ import annotations

from typing import Final

from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.domain.signatures import Claim, NotByKey
from backend.errors import ContractWalletRefused
from backend.nodes import Answers, first_answer, request, view_call

IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
"""Selector of `isValidSignature(bytes32,bytes)`, and its answer when it is."""


def _call_data(claim: Claim) -> bytes:
    length = len(claim.signature)
    padded = claim.signature.ljust(-(-length // 32) * 32, b"\0")
    return IS_VALID_SIGNATURE + claim.digest + (64).to_bytes(32) + length.to_bytes(32) + padded


def _read(answers: Answers) -> tuple[bool, bool]:
    code = bytes.fromhex(answers[0]["result"][2:])
    said = bytes.fromhex(str(answers[1].get("result", "0x"))[2:])  # a reverting wallet has not signed
    return bool(code), len(said) >= 32 and said[:4] == IS_VALID_SIGNATURE


async def _ask(ctx: Context, claim: Claim) -> tuple[bool, bool] | None:
    """Return whether the account is a contract and whether it vouches; None when no node answers."""
    body = [request(0, "eth_getCode", hex0x(claim.account), "latest"), view_call(1, claim.account, _call_data(claim))]
    return await first_answer(ctx, body, _read)


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
