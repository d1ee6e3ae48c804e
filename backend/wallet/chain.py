"""What only the node knows of a wallet: its USDC, and the nonce its next signed withdrawal must carry."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from typing import Any

import httpx

from aicp.abi import escrow, usdc
from aicp.abi.runtime import DecodeError
from backend.context import Context
from backend.errors import Unavailable

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletState:
    """Base units in the wallet, and the withdrawal nonce, at the newest block."""

    usdc_units: int
    withdrawal_nonce: int


def _client(timeout_seconds: float) -> httpx.AsyncClient:
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = httpx.AsyncClient(timeout=timeout_seconds)
    return client


async def close() -> None:
    """Close the connections of the running loop."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


def _call(number: int, to: bytes, data: bytes) -> dict[str, Any]:
    request = {"to": "0x" + to.hex(), "data": "0x" + data.hex()}
    return {"jsonrpc": "2.0", "id": number, "method": "eth_call", "params": [request, "latest"]}


async def wallet_state(ctx: Context, account: bytes) -> WalletState:
    """Ask the nodes in turn. Raises Unavailable when none answers."""
    body = [
        _call(0, ctx.deployment.usdc, usdc.encode_balance_of(account)),
        _call(1, ctx.deployment.escrow, escrow.encode_withdrawal_nonce(account)),
    ]
    client = _client(ctx.settings.rpc_timeout_seconds)
    for url in ctx.settings.rpc_urls:
        try:
            response = await client.post(url, json=body)
            answers = {answer["id"]: bytes.fromhex(answer["result"][2:]) for answer in response.json()}
            return WalletState(
                usdc_units=usdc.decode_balance_of_result(answers[0]),
                withdrawal_nonce=escrow.decode_withdrawal_nonce_result(answers[1]),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError, DecodeError):
            continue
    raise Unavailable("The chain node does not answer.")


async def gas_price_wei(ctx: Context) -> int | None:
    """Return what a unit of gas costs now, as settlement reckons; None where no node answers."""
    body = [
        {"jsonrpc": "2.0", "id": 0, "method": "eth_getBlockByNumber", "params": ["latest", False]},
        {"jsonrpc": "2.0", "id": 1, "method": "eth_maxPriorityFeePerGas", "params": []},
    ]
    client = _client(ctx.settings.rpc_timeout_seconds)
    for url in ctx.settings.rpc_urls:
        try:
            response = await client.post(url, json=body)
            answers = {answer["id"]: answer["result"] for answer in response.json()}
            tip = max(int(answers[1], 16), ctx.constants.min_gas_price_wei)
            return int(answers[0]["baseFeePerGas"], 16) + tip
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            continue
    return None
