"""How many transactions of a key the chain has, asked of every node anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.errors import Unavailable
from backend.nodes import NO_ANSWER, post, request

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
    body = [request(number, "eth_getTransactionCount", hex0x(key), tag) for number, tag in enumerate(TAGS)]
    body.append(request(len(TAGS), "eth_chainId"))
    told = await asyncio.gather(*(_ask(ctx, url, body) for url in ctx.settings.rpc_urls))
    known = [answer for answer in told if answer is not None]
    if not known:
        raise Unavailable("No chain node tells what this key has sent.")
    finalized, latest, pending = (max(column) for column in zip(*known, strict=True))
    return Counts(finalized=finalized, latest=max(latest, finalized), pending=max(pending, latest, finalized))


async def _ask(ctx: Context, url: str, body: list[dict[str, Any]]) -> list[int] | None:
    """Return what a node counts under each tag; None where it does not answer or serves another chain."""
    try:
        answers = await post(url, body, ctx.settings.rpc_timeout_seconds)
        *counted, chain_id = (int(answers[number]["result"], 16) for number in range(len(body)))
    except NO_ANSWER:
        return None
    return counted if chain_id == ctx.settings.chain_id else None
