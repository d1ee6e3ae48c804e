"""Typed shapes of JSON-RPC answers and their conversion to bytes and integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from indexer.chain.errors import InconsistentNodeError
from indexer.core.chain_view import Block


class WireError(msgspec.Struct):
    """The `error` member of a JSON-RPC answer."""

    code: int
    message: str = ""


class WireAnswer(msgspec.Struct):
    """One answer, its result still undecoded."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: WireError | None = None


class WireBlock(msgspec.Struct, rename="camel"):
    """The header members we use."""

    number: str | None
    hash: str | None
    parent_hash: str
    timestamp: str
    logs_bloom: str


class WireLog(msgspec.Struct, rename="camel"):
    """A log as eth_getLogs answers it; null members mean it is pending, which we never accept."""

    address: str
    topics: list[str]
    data: str
    block_number: str | None = None
    block_hash: str | None = None
    transaction_hash: str | None = None
    log_index: str | None = None
    block_timestamp: str | None = None
    removed: bool = False


class WireReceipt(msgspec.Struct):
    """The only member of a receipt we use."""

    logs: list[WireLog]


@dataclass(frozen=True, slots=True)
class Header:
    """A block header: its place in the chain and its log bloom."""

    block: Block
    bloom: int


@dataclass(frozen=True, slots=True)
class NodeLog:
    """One log as a node tells it; `block_time` is None where the node does not send it along."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_time: int | None


_block_decoder: Final = msgspec.json.Decoder(WireBlock | None)
_logs_decoder: Final = msgspec.json.Decoder(list[WireLog])
_receipts_decoder: Final = msgspec.json.Decoder(list[WireReceipt] | None)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


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
        return Header(block=block, bloom=int(wire.logs_bloom, 16))
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed block: {error}") from error


def decode_logs(raw: bytes) -> list[NodeLog]:
    """Return the logs of an eth_getLogs answer in the node's order. Raises InconsistentNodeError when malformed."""
    try:
        return [_log(wire) for wire in _logs_decoder.decode(raw)]
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed logs: {error}") from error


def decode_receipt_logs(raw: bytes) -> list[NodeLog]:
    """Return every log of a block's receipts, in order. Raises InconsistentNodeError for none or malformed ones."""
    try:
        receipts = _receipts_decoder.decode(raw)
        if receipts is None:
            raise InconsistentNodeError("the node has no receipts of a block it announced")
        return [_log(wire) for receipt in receipts for wire in receipt.logs]
    except (msgspec.MsgspecError, ValueError) as error:
        raise InconsistentNodeError(f"malformed receipts: {error}") from error


def _log(wire: WireLog) -> NodeLog:
    if wire.removed:
        raise InconsistentNodeError("the node answered a log it calls removed")
    if wire.block_number is None or wire.block_hash is None or wire.transaction_hash is None or wire.log_index is None:
        raise InconsistentNodeError("the node answered a pending log")
    return NodeLog(
        block_number=int(wire.block_number, 16),
        block_hash=_bytes(wire.block_hash),
        tx_hash=_bytes(wire.transaction_hash),
        log_index=int(wire.log_index, 16),
        address=_bytes(wire.address),
        topics=tuple(_bytes(topic) for topic in wire.topics),
        data=_bytes(wire.data),
        block_time=None if wire.block_timestamp is None else int(wire.block_timestamp, 16),
    )
