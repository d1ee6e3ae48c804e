"""What only the node knows now: a channel's state, a token authorization's, and whether a call would pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc
from aicp.abi.runtime import DecodeError
from backend.context import Context
from backend.errors import Unavailable
from backend.nodes import Answers, first_answer, request, view_call
from backend.txm.classify import is_revert
from backend.txm.nodes import NodeError, NodeUnreachable, result_of

AT_ONCE: Final = 50
"""Calls in one request; nodes for hire refuse more than a hundred."""
Call = tuple[bytes, bytes]
"""Target and call data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChain:
    """A channel at the newest block; amounts in base units, `withdraw_requested_at` in unix seconds, 0 for none."""

    balance_units: int
    total_claimed_units: int
    withdraw_requested_at: int
    refund_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a payer has, and whether a token authorization of theirs was used or cancelled."""

    usdc_units: int
    used: bool


async def results(ctx: Context, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """Return what one node answers to requests, in order; one that refuses any is passed over. Raises Unavailable."""

    def in_order(answers: Answers) -> list[Any]:
        return [answers[number]["result"] for number in range(len(calls))]

    answered = await first_answer(
        ctx, [request(n, method, *params) for n, (method, params) in enumerate(calls)], in_order
    )
    if answered is None:
        raise Unavailable("The chain node does not answer.")
    return answered


async def _ask(ctx: Context, calls: list[Call]) -> list[bytes | None]:
    """Return the answers of view calls, None for one that reverts.

    A node that would not run one has not answered, and the next is asked. Raises Unavailable when no node answers.
    """

    def in_order(answers: Answers) -> list[bytes | None]:
        return [_returned(answers[number]) for number in range(len(calls))]

    body = [view_call(number, to, data) for number, (to, data) in enumerate(calls)]
    answered = await first_answer(ctx, body, in_order)
    if answered is None:
        raise Unavailable("The chain node does not answer.")
    return answered


def _returned(answer: Any) -> bytes | None:
    """Return what a call returns, None where it reverts. Raises ValueError where the node does not say."""
    try:
        return bytes.fromhex(result_of(answer)[2:])
    except NodeError as error:
        if is_revert(error):
            return None
        raise ValueError("the node did not run the call") from error
    except NodeUnreachable as error:
        raise ValueError("no answer") from error


async def channel(ctx: Context, channel_id: bytes) -> OnChain:
    """Return a channel's state. Raises Unavailable."""
    contract = ctx.deployment.payment_channel
    calls = [
        (contract, channel_abi.encode_channels(channel_id)),
        (contract, channel_abi.encode_pending_withdrawals(channel_id)),
        (contract, channel_abi.encode_refund_nonce(channel_id)),
    ]
    answers = await _ask(ctx, calls)
    try:
        state, withdrawal, nonce = (answer or b"" for answer in answers)
        balance, claimed = _words(state)
        _, requested = _words(withdrawal)
        return OnChain(
            balance_units=balance,
            total_claimed_units=claimed,
            withdraw_requested_at=requested,
            refund_nonce=channel_abi.decode_refund_nonce_result(nonce),
        )
    except (DecodeError, ValueError) as error:
        raise Unavailable("The chain node does not know this contract.") from error


async def claimed(ctx: Context, channel_ids: Sequence[bytes]) -> list[int]:
    """Return what was claimed of channels, in base units and in their order. Raises Unavailable."""
    contract, found = ctx.deployment.payment_channel, list[int]()
    for first in range(0, len(channel_ids), AT_ONCE):
        part = channel_ids[first : first + AT_ONCE]
        answers = await _ask(ctx, [(contract, channel_abi.encode_channels(one)) for one in part])
        try:
            found += [_words(answer or b"")[1] for answer in answers]
        except ValueError as error:
            raise Unavailable("The chain node does not know this contract.") from error
    return found


def _words(answer: bytes) -> tuple[int, int]:
    if len(answer) != 64:
        raise ValueError("two words expected")
    return int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:], "big")


async def receiver(ctx: Context, who: bytes, token: bytes) -> tuple[int, int]:
    """Return what was claimed for a receiver and what of it was paid, in base units. Raises Unavailable."""
    (answer,) = await _ask(ctx, [(ctx.deployment.payment_channel, channel_abi.encode_receivers(who, token))])
    try:
        return _words(answer or b"")
    except ValueError as error:
        raise Unavailable("The chain node does not know this contract.") from error


async def authorization(ctx: Context, payer: bytes, nonce: bytes) -> Authorization:
    """Return a payer's balance and the state of one of their authorizations. Raises Unavailable."""
    token = ctx.deployment.usdc
    calls = [(token, usdc.encode_balance_of(payer)), (token, usdc.encode_authorization_state(payer, nonce))]
    answers = await _ask(ctx, calls)
    try:
        balance, used = (answer or b"" for answer in answers)
        return Authorization(
            usdc_units=usdc.decode_balance_of_result(balance), used=usdc.decode_authorization_state_result(used)
        )
    except DecodeError as error:
        raise Unavailable("The chain node does not know this token.") from error


async def would_pass(ctx: Context, to: bytes, data: bytes) -> bool:
    """Return whether a call would succeed at the newest block. Raises Unavailable."""
    (answer,) = await _ask(ctx, [(to, data)])
    return answer is not None
