"""How many transactions of a key the chain has, asked of every node anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx

from backend.context import Context
from backend.errors import Unavailable

TAGS: Final = ("finalized", "latest", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Transactions of one key up to the finalised block, up to the newest one, and with those that wait for a block.

    Each is the highest any node of our chain knows: one that lags knows fewer.
    """

    finalized: int
    latest: int
    pending: int


async def counts(ctx: Context, key: bytes) -> Counts:
    """Ask all nodes at once. Raises Unavailable when none of our chain answers."""
    body = [{"jsonrpc": "2.0", "id": len(TAGS), "method": "eth_chainId", "params": []}] + [
        {"jsonrpc": "2.0", "id": number, "method": "eth_getTransactionCount", "params": ["0x" + key.hex(), tag]}
        for number, tag in enumerate(TAGS)
    ]
    async with httpx.AsyncClient(timeout=ctx.settings.rpc_timeout_seconds) as client:
        told = await asyncio.gather(*(_ask(client, url, body, ctx.settings.chain_id) for url in ctx.settings.rpc_urls))
    known = [answer for answer in told if answer is not None]
    if not known:
        raise Unavailable("No chain node tells what this key has sent.")
    finalized, latest, pending = (max(column) for column in zip(*known, strict=True))
    return Counts(finalized=finalized, latest=max(latest, finalized), pending=max(pending, latest, finalized))


async def _ask(client: httpx.AsyncClient, url: str, body: list[dict[str, Any]], chain_id: int) -> list[int] | None:
    """Return what a node counts under each tag; None where it does not answer or serves another chain."""
    try:
        answers = {answer["id"]: int(answer["result"], 16) for answer in (await client.post(url, json=body)).json()}
        return [answers[number] for number in range(len(TAGS))] if answers[len(TAGS)] == chain_id else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
