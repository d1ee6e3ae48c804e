"""Whether somebody else has carried a signed transfer out. Whoever sees one may send it, and the money moves the same.

So a transaction of ours that failed says nothing of the payment: what counts is what became of the authorization. The
token takes each once and tells so in a log, right before the log of the money it moved. Only a final block counts:
nobody here sends another's transaction again after a reorg. What no node tells, or one that lags, is not known yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

from aicp.abi import usdc
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.errors import Unavailable
from backend.nodes import NO_ANSWER
from backend.txm.models import Intent
from backend.txm.rpc import NodeError, NodeUnreachable, Rpc
from backend.txm.states import IntentState
from backend.x402 import chain

STRETCH: Final = 500
"""Blocks whose logs are asked for at once."""
STRETCHES: Final = 200
SLACK_SECONDS: Final = 60
"""How far the clocks of chain and service may be apart."""
AGAIN_SECONDS: Final = 0.5
_USED: Final = hex0x(usdc.AuthorizationUsed.TOPIC)
_CANCELED: Final = hex0x(usdc.AuthorizationCanceled.TOPIC)
_REFUSAL: Final = usdc.AuthorizationUsedOrCanceled.SIGNATURE.partition("(")[0]

Calls = list[tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What an authorization moves: `units` of the token from `payer` to `to`."""

    payer: bytes
    to: bytes
    units: int
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of the call of ours that was lost. `since` and `ends_at` in unix seconds.

    `used` where the token refused it because the authorization was used or cancelled; `late` where its time was over;
    `block_number` is where it failed, 0 where it was in no block.
    """

    since: int
    ends_at: int = 0
    used: bool = False
    late: bool = False
    block_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of an authorization. `mined` and `lost` exclude each other; neither means it is not known yet.

    `transaction` is that of somebody else that has moved the money, "" where none is known.
    """

    mined: bool = False
    lost: bool = False
    transaction: str = ""


UNKNOWN: Final = Found()
LOST: Final = Found(lost=True)


@dataclass(frozen=True, slots=True)
class _Block:
    number: int
    time: int


def failure_of(intent: Intent) -> Failure:
    """Return what is known of a lost intent."""
    code, said = intent.error_code or "", (intent.error_detail or "").lower()
    return Failure(
        since=int(intent.created_at.timestamp()),
        ends_at=0 if intent.expires_at is None else int(intent.expires_at.timestamp()),
        used=code == _REFUSAL or "used or cancel" in said,
        late=intent.state == IntentState.EXPIRED.value or "expired" in said or "expired" in code.lower(),
        block_number=intent.block_number or 0,
    )


async def look(ctx: Context, move: Move, failure: Failure) -> Found:
    """Ask the nodes what became of an authorization. Where none answers, it is not known yet."""
    steps = _search(ctx, move, failure)
    try:
        calls = next(steps)
        while True:
            calls = steps.send(await chain.results(ctx, calls))
    except StopIteration as end:
        found: Found = end.value
        return found
    except (Unavailable, *NO_ANSWER):
        return UNKNOWN


def look_up(ctx: Context, rpc: Rpc, move: Move, failure: Failure) -> Found:
    """Do as `look`, for workers. Raises NodeUnreachable where no node answers."""
    steps = _search(ctx, move, failure)
    try:
        calls = next(steps)
        while True:
            answers = rpc.together(calls, list)
            if any(isinstance(answer, NodeError) for answer in answers):
                return UNKNOWN
            calls = steps.send(answers)
    except StopIteration as end:
        found: Found = end.value
        return found
    except NodeUnreachable:
        raise
    except NO_ANSWER:
        return UNKNOWN


async def wait(ctx: Context, move: Move, failure: Failure, seconds: float) -> Found:
    """Return what became of an authorization once it is known, or after so long."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look(ctx, move, failure)
        if found.mined or found.lost or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(AGAIN_SECONDS)


def _search(ctx: Context, move: Move, failure: Failure) -> Generator[Calls, list[Any], Found]:
    """Yield what to ask a node, get its answers, and return what they say."""
    token = ctx.deployment.usdc
    state = usdc.encode_authorization_state(move.payer, move.nonce)
    served, used, newest, final = yield [
        ("eth_chainId", ()),
        ("eth_call", ({"to": hex0x(token), "data": hex0x(state)}, "latest")),
        ("eth_getBlockByNumber", ("latest", False)),
        ("eth_getBlockByNumber", ("finalized", False)),
    ]
    if int(served, 16) != ctx.deployment.chain_id:
        return UNKNOWN
    head = _block(newest)
    firm = None if final is None else _block(final)
    if not usdc.decode_authorization_state_result(_bytes(used)):
        return LOST if _never(failure, head, firm) else UNKNOWN
    log = yield from _told(token, move, failure.since, head.number)
    if log is None:
        return UNKNOWN
    (receipt,) = yield [("eth_getTransactionReceipt", (log["transactionHash"],))]
    if receipt is None:
        return UNKNOWN
    moved = _moves(receipt, log, token, move)
    transaction = str(log["transactionHash"]) if moved else ""
    if firm is None or int(receipt["blockNumber"], 16) > firm.number:
        return Found(transaction=transaction)
    return Found(mined=True, transaction=transaction) if moved else LOST


def _never(failure: Failure, head: _Block, firm: _Block | None) -> bool:
    """Return whether an authorization that is unused at `head` counts as lost, and not as used behind a lagging node's
    back."""
    if firm is not None and failure.ends_at and firm.time > failure.ends_at:
        return True
    if failure.late and head.time < failure.ends_at:
        return False
    return not failure.used and head.number >= failure.block_number


def _told(token: bytes, move: Move, since: int, last: int) -> Generator[Calls, list[Any], dict[str, Any] | None]:
    """Return the log of an authorization's end, None where none is found in blocks after `since`."""
    topics = [[_USED, _CANCELED], "0x" + move.payer.rjust(32, b"\0").hex(), hex0x(move.nonce)]
    for _ in range(STRETCHES):
        first = max(0, last - STRETCH + 1)
        wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": hex0x(token), "topics": topics}
        logs, block = yield [("eth_getLogs", (wanted,)), ("eth_getBlockByNumber", (hex(first), False))]
        for log in logs:
            if not log.get("removed"):
                return dict(log)
        if first == 0 or _block(block).time < since - SLACK_SECONDS:
            return None
        last = first - 1
    return None


def _moves(receipt: dict[str, Any], log: dict[str, Any], token: bytes, move: Move) -> bool:
    """Return whether a use of an authorization has moved its money: the token's next log is the transfer.

    Any other transfer in the transaction may be that of another authorization.
    """
    at = int(log["logIndex"], 16) + 1
    if log["topics"][0] != _USED:
        return False
    for other in receipt["logs"]:
        if int(other["logIndex"], 16) == at and _bytes(other["address"]) == token:
            topics = [_bytes(topic) for topic in other["topics"]]
            if topics[0] != usdc.Transfer.TOPIC:
                return False
            said = usdc.Transfer.decode(topics, _bytes(other["data"]))
            return (said.from_, said.to, said.value) == (move.payer, move.to, move.units)
    return False


def _block(answer: Any) -> _Block:
    return _Block(int(answer["number"], 16), int(answer["timestamp"], 16))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
