"""What arbiters ask for now, read from the chain between two transactions and kept for half a minute a process.

A quote only tells what a bond has to be worth before it is relayed: the contract asks the arbiter again, and a bond of
another value fails there as a whole. So an old quote can cost a try, never money. A node that does not answer delays
one reader in half a minute, the others get what was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from aicp.abi import arbiter as abi
from aicp.rules.primitives import ZERO_ADDRESS
from backend.context import Context
from backend.nodes import Answers, first_answer, view_call

FRESH_SECONDS: Final = 30
PATIENCE_SECONDS: Final = 3.0
_log = structlog.get_logger("deals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An arbiter's fee in base units, and whether it has enough jurors (None: it does not say)."""

    fee_units: int
    can_rule: bool | None


_quotes: Final[dict[tuple[int, bytes, str], Quote]] = {}
_asked: Final[dict[tuple[int, bytes, str], int]] = {}
"""When an arbiter was last asked, whatever came of it."""


def _key(ctx: Context, arbiter: bytes) -> tuple[int, bytes, str]:
    return ctx.deployment.chain_id, arbiter, ctx.settings.rpc_urls[0]


def known(ctx: Context, arbiter: bytes) -> Quote | None:
    """Return the newest quote of this process, however old, None before the first."""
    return _quotes.get(_key(ctx, arbiter))


def _read(answers: Answers) -> Quote:
    fee = abi.decode_arbitration_cost_fee_token_result(bytes.fromhex(answers[0]["result"][2:]))
    said = answers[1].get("result")
    can_rule = None if said is None else abi.decode_can_rule_result(bytes.fromhex(said[2:]))
    return Quote(fee_units=fee, can_rule=can_rule)


async def refresh(ctx: Context, arbiter: bytes) -> Quote | None:
    """Ask the nodes in turn, at most once in half a minute; return the newest quote there is, None before the first."""
    key, now = _key(ctx, arbiter), ctx.now()
    asked = _asked.get(key)
    if arbiter == ZERO_ADDRESS or (asked is not None and now - asked < FRESH_SECONDS):
        return known(ctx, arbiter)
    _asked[key] = now
    body = [
        view_call(0, arbiter, abi.encode_arbitration_cost_fee_token(b"", ctx.deployment.usdc)),
        view_call(1, arbiter, abi.encode_can_rule()),
    ]
    quote = await first_answer(ctx, body, _read, patience_seconds=PATIENCE_SECONDS)
    if quote is None:
        _log.warning("an arbiter's fee could not be read")
    else:
        _quotes[key] = quote
    return known(ctx, arbiter)
