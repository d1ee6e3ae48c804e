"""Asking a contract wallet on chain whether it has signed (ERC-1271), outside of every transaction.

What the wallet says now decides only whether its message is taken in; a message that moves money is asked again by the
contract that carries it out.
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from backend.context import Context
from backend.domain.signatures import Claim, NotByKey
from backend.errors import ContractWalletRefused

IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
"""Selector of `isValidSignature(bytes32,bytes)`, and its answer when it is."""


def _call_data(claim: Claim) -> bytes:
    length = len(claim.signature)
    padded = claim.signature.ljust(-(-length // 32) * 32, b"\0")
    return IS_VALID_SIGNATURE + claim.digest + (64).to_bytes(32) + length.to_bytes(32) + padded


def _request(number: int, method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": [*params, "latest"]}


async def _ask(ctx: Context, claim: Claim) -> tuple[bool, bool] | None:
    """Return whether the account is a contract and whether it vouches; None when no node answers."""
    account = "0x" + claim.account.hex()
    call = {"to": account, "data": "0x" + _call_data(claim).hex()}
    body = [_request(0, "eth_getCode", account), _request(1, "eth_call", call)]
    async with httpx.AsyncClient(timeout=ctx.settings.rpc_timeout_seconds) as client:
        for url in ctx.settings.rpc_urls:
            try:
                answers = {answer["id"]: answer for answer in (await client.post(url, json=body)).json()}
                code = bytes.fromhex(answers[0]["result"][2:])
                said = bytes.fromhex(str(answers[1].get("result", "0x"))[2:])  # a reverting wallet has not signed
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                continue
            return bool(code), len(said) >= 32 and said[:4] == IS_VALID_SIGNATURE
    return None


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
