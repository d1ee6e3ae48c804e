"""What the chain has written down of an agent at a block, asked of any node and of no service."""

from __future__ import annotations

from typing import Any, Final

import httpx

from aicp.abi import reputation as abi
from aicp.abi.runtime import DecodeError
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Unreachable
from aicp.rules.pricing import counts_of
from aicp.rules.primitives import checksum, hex0x, parse_bytes

_TIMEOUT: Final = 20.0


async def outcomes_at(rpc_url: str, chain: Chain, agent: bytes, block: int) -> tuple[int, int]:
    """Return (successes, decided) of an agent's escrows at a block, by `Reputation.recordOf`.

    Raises ClientError where the node serves another chain or keeps no state of that block any more, Unreachable where
    it does not answer.
    """
    call = {"to": checksum(chain.contracts.reputation), "data": hex0x(abi.encode_record_of(agent))}
    async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
        served = await _ask(client, rpc_url, "eth_chainId")
        if int(served, 16) != chain.chain_id:
            raise ClientError(f"The RPC serves chain {int(served, 16)}, not {chain.chain_id}.")
        answer = await _ask(client, rpc_url, "eth_call", call, hex(block))
    try:
        return counts_of(abi.decode_record_of_result(parse_bytes(answer)))
    except DecodeError as error:
        raise ClientError("The RPC knows no such contract at that block.") from error


async def _ask(client: httpx.AsyncClient, url: str, method: str, *params: Any) -> str:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    try:
        answer = (await client.post(url, json=request)).json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), str):
        raise ClientError(f"The RPC refuses {method}; an old block needs a node that keeps all state (an archive).")
    return str(answer["result"])
