"""Reading what nodes answer. What cannot be read is no answer: NodeUnreachable, as if none had come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from backend.txm.eip1559 import AccessList
from backend.txm.nodes import NodeError, NodeUnreachable

T = TypeVar("T")
U = TypeVar("U")
UNREADABLE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TxReceipt:
    """What a node says of a mined transaction."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block: its number, base fee in wei and time in unix seconds."""

    number: int
    base_fee_wei: int
    time: int


def readable(read: Callable[[T], U], answer: T) -> U:
    """Return what `read` makes of an answer. Raises NodeUnreachable for what cannot be read: it is no answer."""
    try:
        return read(answer)
    except UNREADABLE as error:
        raise NodeUnreachable(f"an answer that is none: {type(error).__name__}") from error


def in_order(answers: list[Any]) -> list[Any]:
    """Return the answers to a batch in the order of their requests."""
    by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
    return [by_id.get(at) for at in range(len(answers))]


def no_error(answer: Any) -> Any:
    """Return a result. Raises the NodeError where it is one."""
    if isinstance(answer, NodeError):
        raise answer
    return answer


def number(answer: Any) -> int:
    """Read a quantity."""
    return int(answer, 16)


def data(answer: Any) -> bytes:
    """Read bytes."""
    return bytes.fromhex(answer[2:])


def hex_texts(answers: list[Any]) -> list[Any]:
    """Return the answers, of which each is a quantity, bytes or a NodeError."""
    for answer in answers:
        if not isinstance(answer, NodeError) and answer != "0x":
            number(answer)
    return answers


def final_number(block: Any) -> int:
    """Read a final block's number. Raises NodeError where there is no such block."""
    if block is None:
        raise NodeError(0, "no block is final yet")
    return number(block["number"])


def head(block: Any) -> Head:
    """Read the newest block."""
    return Head(
        number=number(block["number"]),
        base_fee_wei=number(block.get("baseFeePerGas") or "0x0"),
        time=number(block["timestamp"]),
    )


def listed(answer: Any) -> AccessList:
    """Read an access list."""
    return tuple((data(row["address"]), tuple(data(key) for key in row["storageKeys"])) for row in answer["accessList"])


def receipt(tx_hash: bytes, answer: Any) -> TxReceipt | None:
    """Read a receipt; None where the transaction is not mined."""
    if answer is None or answer.get("blockNumber") is None:
        return None
    return TxReceipt(
        tx_hash=tx_hash,
        block_number=number(answer["blockNumber"]),
        block_hash=data(answer["blockHash"]),
        succeeded=number(answer["status"]) == 1,
        gas_used=number(answer["gasUsed"]),
    )
