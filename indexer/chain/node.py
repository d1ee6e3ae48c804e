"""What the indexer asks of a chain, with every answer checked before anybody may use it.

Near the head logs are asked for by block hash and checked against the header: same hash, rising log index, each in the
bloom; where the bloom names one of our contracts and no log comes, the block's receipts decide. In backfill the node's
head is read in the same batch as the range: a node that has not reached the range answers an empty list, not an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from indexer.chain.bloom import may_contain
from indexer.chain.errors import InconsistentNodeError, RpcError, WrongChainError
from indexer.chain.rpc import Call, Providers
from indexer.chain.wire import Header, NodeLog, decode_header, decode_logs, decode_receipt_logs
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog

_log = structlog.get_logger("indexer.chain")
HEADER_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Tip:
    """A node's newest, safe and finalised headers, read in one batch."""

    head: Header
    safe: Header
    final: Header


@dataclass(frozen=True, slots=True)
class Range:
    """Our logs of a stretch of blocks, with its first and last block."""

    start: Block
    end: Block
    logs: list[RawLog]


class Node:
    """A chain seen through one or more providers, limited to the logs of our contracts."""

    def __init__(self, providers: Providers, addresses: Sequence[bytes], *, finality_depth: int) -> None:
        self._providers = providers
        self._addresses = tuple(addresses)
        self._hex_addresses = ["0x" + address.hex() for address in addresses]
        self._depth = finality_depth
        self._has_tags = True

    def check(self, chain_id: int) -> None:
        """Check the chain id and that every contract has code, on every provider that answers.

        Raises WrongChainError when one answers something else, ChainError when none answers.
        """
        calls = [Call("eth_chainId", ()), *(Call("eth_getCode", (a, "latest")) for a in self._hex_addresses)]
        answer, *codes = (msgspec.json.decode(raw, type=str) for raw in self._providers.batch(calls))
        if int(answer, 16) != chain_id:
            raise WrongChainError(f"{self._providers.current.name} serves chain {int(answer, 16)}, not {chain_id}")
        for address, code in zip(self._hex_addresses, codes, strict=True):
            if code in ("0x", ""):
                raise WrongChainError(f"no contract at {address} on chain {chain_id}")

    def tip(self) -> Tip:
        """Return the newest, safe and finalised headers; by depth where the node knows no such tags."""
        if self._has_tags:
            try:
                head, safe, final = self._headers(["latest", "safe", "finalized"])
                return Tip(head=head, safe=safe, final=final)
            except RpcError as error:
                self._has_tags = False
                _log.warning("no finality tags, counting blocks instead", depth=self._depth, error=str(error))
        [head] = self._headers(["latest"])
        [final] = self._headers([max(0, head.block.number - self._depth)])
        return Tip(head=head, safe=final, final=final)

    def header(self, number: int) -> Header:
        """Return the header at a height. Raises InconsistentNodeError when the node does not have it (any more)."""
        [header] = self._headers([number])
        if header.block.number != number:
            raise InconsistentNodeError(f"asked for block {number}, got {header.block.number}")
        return header

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        """Return the headers at these heights, asked for in batches."""
        found: list[Header] = []
        for start in range(0, len(numbers), HEADER_BATCH):
            found.extend(self._headers(numbers[start : start + HEADER_BATCH]))
        return found

    def header_by_hash(self, block_hash: bytes) -> Header:
        """Return the header with this hash. Raises InconsistentNodeError when the node does not know it."""
        header = decode_header(self._providers.call("eth_getBlockByHash", "0x" + block_hash.hex(), False))
        if header is None or header.block.hash != block_hash:
            raise InconsistentNodeError(f"the node does not know block 0x{block_hash.hex()}")
        return header

    def logs_of(self, header: Header) -> list[RawLog]:
        """Return our logs of one block, checked against its header. Raises InconsistentNodeError if they do not fit."""
        if not any(may_contain(header.bloom, address) for address in self._addresses):
            return []
        query = {"blockHash": "0x" + header.block.hash.hex(), "address": self._hex_addresses}
        logs = decode_logs(self._providers.call("eth_getLogs", query)) or self._logs_of_receipts(header)
        check_block_logs(header, logs, self._addresses)
        return [_timed(log, header.block.time) for log in logs]

    def _logs_of_receipts(self, header: Header) -> list[NodeLog]:
        """Tell a bloom that names us by chance from a node that withholds logs: the receipts hold every log."""
        try:
            raw = self._providers.call("eth_getBlockReceipts", "0x" + header.block.hash.hex())
        except RpcError as error:
            _log.warning("no block receipts to check an empty answer by", block=header.block.number, error=str(error))
            return []
        return [log for log in decode_receipt_logs(raw) if log.address in self._addresses]

    def logs_between(self, first: int, last: int) -> Range:
        """Return our logs from `first` to `last` with both headers, and with proof that the node is there.

        Raises RangeTooLargeError when the node wants a smaller range, InconsistentNodeError when it lags behind.
        """
        query = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._hex_addresses}
        calls = [
            *(Call("eth_getBlockByNumber", (at, False)) for at in ("latest", hex(first), hex(last))),
            Call("eth_getLogs", (query,)),
        ]
        *raw_headers, raw_logs = self._providers.batch(calls)
        head, start, end = (decode_header(raw) for raw in raw_headers)
        if head is None or start is None or end is None or head.block.number < last:
            raise InconsistentNodeError(f"the node has not reached block {last}")
        if (start.block.number, end.block.number) != (first, last):
            raise InconsistentNodeError(f"asked for blocks {first} and {last}, got others")
        logs = decode_logs(raw_logs)
        check_range_logs(start, end, logs, self._addresses)
        return Range(start=start.block, end=end.block, logs=self._with_times(logs))

    def view_calls(self, calls: Sequence[tuple[bytes, bytes]], block_hash: bytes) -> list[bytes]:
        """Return the results of eth_call for (contract, calldata) pairs, all at one block by hash."""
        tag = {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}
        found: list[bytes] = []
        for start in range(0, len(calls), HEADER_BATCH):
            chunk = [
                Call("eth_call", ({"to": "0x" + to.hex(), "data": "0x" + data.hex()}, tag))
                for to, data in calls[start : start + HEADER_BATCH]
            ]
            answers = self._providers.batch(chunk)
            found.extend(bytes.fromhex(msgspec.json.decode(raw, type=str)[2:]) for raw in answers)
        return found

    def distrust(self, reason: str) -> None:
        """Ask another provider first from now on, if there is one."""
        self._providers.distrust(self._providers.current, reason)

    def close(self) -> None:
        """Close every connection."""
        self._providers.close()

    def _headers(self, which: Sequence[str | int]) -> list[Header]:
        calls = [Call("eth_getBlockByNumber", (w if isinstance(w, str) else hex(w), False)) for w in which]
        found = [decode_header(raw) for raw in self._providers.batch(calls)]
        present = [header for header in found if header is not None]
        if len(present) != len(found):
            raise InconsistentNodeError(f"the node does not have one of the blocks {list(which)}")
        return present

    def _with_times(self, logs: list[NodeLog]) -> list[RawLog]:
        missing = sorted({log.block_number for log in logs if log.block_time is None})
        blocks = {header.block.number: header.block for header in self.headers(missing)}
        timed: list[RawLog] = []
        for log in logs:
            block = blocks.get(log.block_number)
            if block is not None and block.hash != log.block_hash:
                raise InconsistentNodeError(f"log of block {log.block_number} carries a foreign hash")
            timed.append(_timed(log, log.block_time if block is None else block.time))
        return timed


def check_block_logs(header: Header, logs: Sequence[NodeLog], addresses: Sequence[bytes]) -> None:
    """Check logs of one block: its hash, our addresses, rising index, each in the bloom."""
    previous = -1
    for log in logs:
        if log.block_hash != header.block.hash or log.block_number != header.block.number:
            raise InconsistentNodeError(f"log of block {header.block.number} carries a foreign hash")
        if log.log_index <= previous:
            raise InconsistentNodeError(f"log index does not rise in block {header.block.number}")
        if log.address not in addresses or not all(may_contain(header.bloom, v) for v in (log.address, *log.topics)):
            raise InconsistentNodeError(f"a log of block {header.block.number} is not in its bloom")
        previous = log.log_index


def check_range_logs(start: Header, end: Header, logs: Sequence[NodeLog], addresses: Sequence[bytes]) -> None:
    """Check logs of a range: inside it, our addresses, (block, index) rising, one hash a block."""
    previous = (-1, -1)
    hashes: dict[int, bytes] = {header.block.number: header.block.hash for header in (start, end)}
    for log in logs:
        place = (log.block_number, log.log_index)
        if not start.block.number <= log.block_number <= end.block.number or log.address not in addresses:
            raise InconsistentNodeError(f"log outside the asked range: block {log.block_number}")
        if place <= previous:
            raise InconsistentNodeError(f"log order does not rise at block {log.block_number}")
        if hashes.setdefault(log.block_number, log.block_hash) != log.block_hash:
            raise InconsistentNodeError(f"two hashes for block {log.block_number}")
        previous = place


def _timed(log: NodeLog, block_time: int | None) -> RawLog:
    if block_time is None:
        raise InconsistentNodeError(f"no time for block {log.block_number}")
    return RawLog(
        block_number=log.block_number,
        block_hash=log.block_hash,
        tx_hash=log.tx_hash,
        log_index=log.log_index,
        address=log.address,
        topics=log.topics,
        data=log.data,
        block_time=block_time,
    )
