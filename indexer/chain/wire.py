"""Typed shapes of JSON-RPC answers and their conversion to bytes and integers."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from indexer.chain.errors import InconsistentNodeError
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog


class WireError(msgspec.Struct):
    """The `error` member of a JSON-RPC answer; some providers name their limits in `data`."""

    code: int | str | None = None
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class WireAnswer(msgspec.Struct):
    """One answer, its result still undecoded."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: WireError | str | None = None


_Hash = Annotated[str, msgspec.Meta(min_length=66, max_length=66)]
_Address = Annotated[str, msgspec.Meta(min_length=42, max_length=42)]
"""What is shorter or longer is no hash or address: rows are written with their lengths taken for granted."""


class WireBlock(msgspec.Struct, rename="camel"):
    """The header members we use."""

    number: str | None
    hash: _Hash | None
    parent_hash: _Hash
    timestamp: str
    logs_bloom: str
    transactions: list[str] = []


class WireLog(msgspec.Struct, rename="camel", gc=False):
    """A log as eth_getLogs answers it; null members mean it is pending, which we never accept."""

    address: _Address
    topics: list[_Hash]
    data: str
    block_number: str | None = None
    block_hash: _Hash | None = None
    transaction_hash: _Hash | None = None
    log_index: str | None = None
    removed: bool = False


class WireReceipt(msgspec.Struct):
    """The only member of a receipt we use."""

    logs: list[WireLog]


@dataclass(frozen=True, slots=True)
class Header:
    """A block header: its place in the chain, its log bloom, and its last transaction as the node spells its hash.

    There is no last transaction in an empty block, nor where a node does not tell a block's transactions.
    """

    block: Block
    bloom: int
    last_transaction: str | None = None


_block_decoder: Final = msgspec.json.Decoder(WireBlock | None)
_logs_decoder: Final = msgspec.json.Decoder(list[WireLog])
_receipts_decoder: Final = msgspec.json.Decoder(list[WireReceipt] | None)
_receipt_decoder: Final = msgspec.json.Decoder(WireReceipt | None)


def _bytes(text: str) -> bytes:
    return unhexlify(text[2:])


_seen_often: Final = lru_cache(maxsize=1_024)(_bytes)


def decode_header(raw: bytes) -> Header | None:
    """Return the header of a block answer, or None for `null`. Raises InconsistentNodeError when malformed."""
    try:
        wire = _block_decoder.decode(raw)
        if wire is None:
            return None
        if wire.number is None or wire.hash is None:
            raise InconsistentNodeError("the node answered a pending block")
        block = Block(
            number=int(wire.number, 16),
            hash=_bytes(wire.hash),
            parent_hash=_bytes(wire.parent_hash),
            time=int(wire.timestamp, 16),
        )
        last = wire.transactions[-1] if wire.transactions else None
        return Header(block=block, bloom=int(wire.logs_bloom, 16), last_transaction=last)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed block: {error}") from error


def decode_logs(raw: bytes) -> list[WireLog]:
    """Return the logs of an eth_getLogs answer in the node's order, without those it calls removed.

    A removed log is of a block that left the chain: the blocks we ask for say all that is to know about it. Raises
    InconsistentNodeError when malformed.
    """
    try:
        return _held(_logs_decoder.decode(raw))
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed logs: {error}") from error


def decode_receipt_logs(raw: bytes) -> list[WireLog]:
    """Return every log of a block's receipts, in order. Raises InconsistentNodeError for none or malformed ones."""
    try:
        receipts = _receipts_decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed receipts: {error}") from error
    if receipts is None:
        raise InconsistentNodeError("the node has no receipts of a block it announced")
    return _held([log for receipt in receipts for log in receipt.logs])


def decode_transaction_logs(raw: bytes) -> list[WireLog]:
    """Return every log of one transaction's receipt; none where the node has no such receipt.

    Raises InconsistentNodeError for a malformed one.
    """
    try:
        receipt = _receipt_decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed receipt: {error}") from error
    return [] if receipt is None else _held(receipt.logs)


def _held(logs: list[WireLog]) -> list[WireLog]:
    return [log for log in logs if not log.removed]


def block_numbers(logs: Sequence[WireLog]) -> list[int]:
    """Return the numbers of the blocks these logs claim to be of, rising. Raises InconsistentNodeError for pending."""
    try:
        return sorted({int(_present(text), 16) for text in {log.block_number for log in logs}})
    except ValueError as error:
        raise InconsistentNodeError(f"malformed logs: {error}") from error


def raw_logs(logs: Sequence[WireLog], blocks: Mapping[int, Block]) -> list[RawLog]:
    """Return the logs with the times of their blocks, each checked against the header of its block.

    Raises InconsistentNodeError for a log of a block that is not among `blocks` or carries another hash.
    """
    found: list[RawLog] = []
    number_text = hash_text = tx_text = ""
    block = Block(-1, b"", b"", 0)
    tx_hash = b""
    try:
        for log in logs:
            if log.block_number != number_text or log.block_hash != hash_text:
                number_text, hash_text = _present(log.block_number), _present(log.block_hash)
                known = blocks.get(int(number_text, 16))
                if known is None or known.hash != _bytes(hash_text):
                    raise InconsistentNodeError(f"log of block {int(number_text, 16)} carries a foreign hash")
                block = known
            if log.transaction_hash != tx_text:
                tx_text = _present(log.transaction_hash)
                tx_hash = _bytes(tx_text)
            found.append(
                RawLog(
                    block.number,
                    int(log.log_index or _present(None), 16),
                    block.hash,
                    tx_hash,
                    block.time,
                    _seen_often(log.address),
                    _words(log.topics),
                    unhexlify(log.data[2:]),
                )
            )
    except ValueError as error:
        raise InconsistentNodeError(f"malformed logs: {error}") from error
    return found


def _words(topics: list[str]) -> tuple[bytes, ...]:
    """Return the topics, of which the first tells the event; every number of them by itself, which is quickest."""
    match topics:
        case [event, first]:
            return (_seen_often(event), unhexlify(first[2:]))
        case [event, first, second]:
            return (_seen_often(event), unhexlify(first[2:]), unhexlify(second[2:]))
        case [event, first, second, third]:
            return (_seen_often(event), unhexlify(first[2:]), unhexlify(second[2:]), unhexlify(third[2:]))
    return tuple(map(_bytes, topics))


def _present(member: str | None) -> str:
    if member is None:
        raise InconsistentNodeError("the node answered a pending log")
    return member
