"""What the indexer asks of a chain, with every answer checked before anybody may use it.

Near the head logs are asked for by block hash together with the block's receipts: both must say the same, and fit the
header. In backfill the node's head is read in the same batch as the range, because a node that has not reached the
range answers an empty list, not an error; then the header of every block is read, each the child of the one before, and
no block that has logs of ours, or whose bloom says it may, is believed to have no others of ours before its receipts
say so (`whole_ranges`). Where all logs of a block are ours, one receipt says it: the logs are numbered from 0 without a
gap, the header's bloom is exactly theirs, and they end with the logs of the block's last transaction. Any other block
is compared with all its receipts, and so is one block of each range whatever its logs look like, drawn by the hash of
the range's last block. Without `whole_ranges` only the blocks that logs came of are compared with their headers:
cheaper on a long history of a public chain, where a node that leaves out logs of a finalised range is believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import groupby
from operator import attrgetter
from typing import Concatenate, Final, ParamSpec, TypeVar

import msgspec
import structlog

from indexer.chain.bloom import may_contain
from indexer.chain.checks import (
    check_block_logs,
    check_links,
    check_range_logs,
    check_receipts,
    drawn_of,
    ends_with,
    may_be_complete,
    ours_of,
)
from indexer.chain.errors import (
    ChainError,
    InconsistentNodeError,
    NoContractError,
    RangeTooLargeError,
    UnknownMethodError,
    WrongChainError,
)
from indexer.chain.finality import Finality, Tip
from indexer.chain.provider import Provider, whole
from indexer.chain.rpc import Call, Providers
from indexer.chain.wire import (
    Header,
    WireLog,
    block_numbers,
    decode_header,
    decode_logs,
    decode_receipt_logs,
    decode_transaction_logs,
    raw_logs,
)
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog

__all__ = ["HEADER_BATCH", "Node", "Range", "Tip"]

_log = structlog.get_logger("indexer.chain")
HEADER_BATCH: Final = 100
_RECEIPT_BLOCKS: Final = 50
_RECEIPT_LOGS: Final = 5_000

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Range:
    """Our logs of a stretch of blocks, with its first and last block."""

    start: Block
    end: Block
    logs: list[RawLog]


def _blaming(method: Callable[Concatenate[Node, P], R]) -> Callable[Concatenate[Node, P], R]:
    """Name the provider that answered in the errors of a check."""

    @wraps(method)
    def checked(node: Node, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(node, *args, **kwargs)
        except InconsistentNodeError as error:
            error.provider = error.provider or node.providers.answered.name
            raise

    return checked


class Node:
    """A chain seen through one or more providers, limited to the logs of our contracts."""

    def __init__(
        self,
        providers: Providers,
        addresses: Sequence[bytes],
        *,
        finality_depth: int,
        whole_ranges: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.providers: Final = providers
        self._addresses = frozenset(addresses)
        self._hex_addresses = ["0x" + address.hex() for address in addresses]
        self._hex_set = frozenset(self._hex_addresses)
        self._whole_ranges = whole_ranges
        self._finality = Finality(providers, finality_depth, clock=clock)
        self._codes: list[str] | None = None

    def check(self, chain_id: int) -> None:
        """Check the chain id and the code of every contract on every provider that answers, and on others later.

        Raises WrongChainError when one answers another chain or none has our contracts, ChainError when none answers.
        """
        errors = self.providers.require(lambda provider: self._check(provider, chain_id))
        for error in errors:
            if isinstance(error, WrongChainError):
                raise error
        if len(errors) < len(self.providers.members):
            return
        if all(isinstance(error, NoContractError) for error in errors):
            raise WrongChainError(str(errors[0]))
        raise errors[-1]

    def _check(self, provider: Provider, chain_id: int) -> None:
        calls = [Call("eth_chainId", ()), *(Call("eth_getCode", (a, "latest")) for a in self._hex_addresses)]
        try:
            answer, *codes = (msgspec.json.decode(raw, type=str) for raw in provider.batch(calls))
            served = int(answer, 16)
        except (msgspec.MsgspecError, ValueError) as error:
            raise InconsistentNodeError(f"{provider.name}: malformed chain id or code: {error}") from error
        if served != chain_id:
            raise WrongChainError(f"{provider.name} serves chain {served}, not {chain_id}")
        for address, code in zip(self._hex_addresses, codes, strict=True):
            if code in ("0x", ""):
                raise NoContractError(f"no contract at {address} on chain {chain_id}")
        if self._codes is not None and self._codes != codes and len(self.providers.members) > 1:
            raise InconsistentNodeError(f"{provider.name} has other code at our addresses")
        self._codes = codes

    @_blaming
    def tip(self, known_final: Block | None = None) -> Tip:
        """Return the newest, safe and finalised headers; by depth where no node knows such tags.

        While the tags fail, the last finalised block read stays, or `known_final` if none was read. Of two providers
        the one that is not behind is believed.
        """
        tip = self._finality.tip(known_final)
        if self.providers.note_head(tip.head.block.number):
            tip = self._finality.tip(known_final)
            self.providers.note_head(tip.head.block.number)
        return tip

    @_blaming
    def head(self) -> Header:
        """Return the newest header: the cheapest question that shows whether anything changed."""
        [header] = self._headers(["latest"], near_head=True)
        self.providers.note_head(header.block.number)
        return header

    @_blaming
    def header(self, number: int) -> Header:
        """Return the header at a height. Raises InconsistentNodeError when the node does not have it (any more)."""
        [header] = self.headers([number])
        return header

    @_blaming
    def headers(self, numbers: Sequence[int], *, near_head: bool = False) -> list[Header]:
        """Return the headers at these heights, asked for in batches."""
        found: list[Header] = []
        for start in range(0, len(numbers), HEADER_BATCH):
            found.extend(self._headers(numbers[start : start + HEADER_BATCH], near_head=near_head))
        for number, header in zip(numbers, found, strict=True):
            if header.block.number != number:
                raise InconsistentNodeError(f"asked for block {number}, got {header.block.number}")
        return found

    @_blaming
    def header_by_hash(self, block_hash: bytes) -> Header:
        """Return the header with this hash. Raises InconsistentNodeError when the node does not know it."""
        header = decode_header(self.providers.call("eth_getBlockByHash", "0x" + block_hash.hex(), False))
        if header is None or header.block.hash != block_hash:
            raise InconsistentNodeError(f"the node does not know block 0x{block_hash.hex()}")
        return header

    def opinions(self, number: int) -> Iterator[tuple[int, bytes]]:
        """Yield (newest block number, block hash at `number`) of every other provider that has that block."""
        for raw_head, raw_block in self.providers.opinions([_block("latest"), _block(number)]):
            head, header = decode_header(raw_head), decode_header(raw_block)
            if head is not None and header is not None and header.block.number == number:
                yield head.block.number, header.block.hash

    @_blaming
    def logs_of(self, header: Header) -> list[RawLog]:
        """Return our logs of one block, checked against its header and its receipts.

        Raises InconsistentNodeError if they do not fit. A node without receipts is compared with another node; one that
        will not answer so many logs at once is believed by its receipts.
        """
        if not self._may_hold(header):
            return []
        block_hash = "0x" + header.block.hash.hex()
        calls = [
            Call("eth_getLogs", ({"blockHash": block_hash, "address": self._hex_addresses},)),
            Call("eth_getBlockReceipts", (block_hash,)),
        ]
        answers = self.providers.answers(calls, near_head=True)
        if isinstance(answers[0], RangeTooLargeError) and not isinstance(answers[1], ChainError):
            logs = ours_of(decode_receipt_logs(answers[1]), self._hex_set)
        elif isinstance(answers[1], UnknownMethodError):
            [answer] = whole(answers[:1])
            logs = decode_logs(answer)
            self._compare_elsewhere(header, calls[:1], logs)
        else:
            answer, receipts = whole(answers)
            logs = decode_logs(answer)
            check_receipts(header.block.number, logs, decode_receipt_logs(receipts), self._hex_set)
        found = raw_logs(logs, {header.block.number: header.block})
        check_block_logs(header, found, self._addresses)
        return found

    @_blaming
    def logs_between(self, first: int, last: int) -> Range:
        """Return our logs from `first` to `last` with both headers, and with proof that the node is there.

        Raises RangeTooLargeError when the node wants a smaller range, InconsistentNodeError when it lags behind or
        answers what does not fit.
        """
        everything = range(first, last + 1)
        whole_at_once = self._whole_ranges and len(everything) < HEADER_BATCH
        asked = list(everything) if whole_at_once else sorted({first, last})
        query = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._hex_addresses}
        calls = [_block("latest"), *map(_block, asked), Call("eth_getLogs", (query,))]
        raw_head, *raw_headers, answer = self.providers.batch(calls)
        head = decode_header(raw_head)
        if head is None or head.block.number < last:
            raise InconsistentNodeError(f"the node has not reached block {last}")
        headers = {number: _at(number, decode_header(raw)) for number, raw in zip(asked, raw_headers, strict=True)}
        wire = decode_logs(answer)
        touched = block_numbers(wire)
        if touched and not first <= touched[0] <= touched[-1] <= last:
            raise InconsistentNodeError(f"logs outside the asked range {first} to {last}")
        rest = [number for number in (everything if self._whole_ranges else touched) if number not in headers]
        headers.update(zip(rest, self.headers(rest), strict=True))
        logs = raw_logs(wire, {number: header.block for number, header in headers.items()})
        check_range_logs(first, last, logs, self._addresses)
        if self._whole_ranges:
            in_order = [headers[number] for number in everything]
            check_links(in_order)
            self._check_nothing_missing(in_order, _by_block(wire, logs))
        return Range(start=headers[first].block, end=headers[last].block, logs=logs)

    def single(self, number: int) -> Range:
        """Return our logs of one block as a range, for a node that refuses even that one by number."""
        header = self.header(number)
        return Range(start=header.block, end=header.block, logs=self.logs_of(header))

    def view_calls(self, calls: Sequence[tuple[bytes, bytes]], block_hash: bytes) -> list[bytes]:
        """Return the results of eth_call for (contract, calldata) pairs, all at one block by hash."""
        tag = {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}
        found: list[bytes] = []
        for start in range(0, len(calls), HEADER_BATCH):
            chunk = [
                Call("eth_call", ({"to": "0x" + to.hex(), "data": "0x" + data.hex()}, tag))
                for to, data in calls[start : start + HEADER_BATCH]
            ]
            answers = self.providers.batch(chunk)
            found.extend(bytes.fromhex(msgspec.json.decode(raw, type=str)[2:]) for raw in answers)
        return found

    def distrust(self, reason: str, provider: str | None = None) -> None:
        """Ask another provider first than the named one, else than the one that answered last, if there is one."""
        self.providers.distrust(reason, provider)

    def close(self) -> None:
        """Close every connection."""
        self.providers.close()

    def _headers(self, which: Sequence[str | int], *, near_head: bool = False) -> list[Header]:
        found = [decode_header(raw) for raw in self.providers.batch([_block(w) for w in which], near_head=near_head)]
        present = [header for header in found if header is not None]
        if len(present) != len(found):
            raise InconsistentNodeError(f"the node does not have one of the blocks {list(which)}")
        return present

    def _may_hold(self, header: Header) -> bool:
        return any(may_contain(header.bloom, address) for address in self._addresses)

    def _compare_elsewhere(self, header: Header, calls: Sequence[Call], logs: Sequence[WireLog]) -> None:
        for [answer] in self.providers.opinions(calls):
            if decode_logs(answer) != list(logs):
                raise InconsistentNodeError(f"two providers differ on the logs of block {header.block.number}")
            return
        _log.warning("logs of a block that nothing else confirms", block=header.block.number, events=len(logs))

    def _check_nothing_missing(self, headers: Sequence[Header], by_block: Mapping[int, _Held]) -> None:
        """Compare the logs of a range with the receipts of every block that may hold any."""
        held = [(header, by_block.get(header.block.number, _NONE)) for header in headers]
        touched = [(header, logs) for header, logs in held if logs.wire or self._may_hold(header)]
        if not touched:
            return
        drawn = drawn_of(headers[-1].block, len(touched))
        proven = self._proven_by_the_last(touched[:drawn] + touched[drawn + 1 :])
        pending: list[tuple[Header, _Held]] = []
        weight = 0
        for header, logs in touched:
            if header.block.number in proven:
                continue
            if pending and (weight + len(logs.wire) > _RECEIPT_LOGS or len(pending) == _RECEIPT_BLOCKS):
                self._compare_receipts(pending)
                pending, weight = [], 0
            pending.append((header, logs))
            weight += len(logs.wire)
        if pending:
            self._compare_receipts(pending)

    def _proven_by_the_last(self, held: Sequence[tuple[Header, _Held]]) -> set[int]:
        """Return the blocks whose last receipt is enough to say that the logs are all there are."""
        likely = [(header, logs.wire) for header, logs in held if may_be_complete(header, logs.raw)]
        asked = [(header, header.last_transaction, logs) for header, logs in likely if header.last_transaction]
        proven: set[int] = set()
        for start in range(0, len(asked), HEADER_BATCH):
            chunk = asked[start : start + HEADER_BATCH]
            answers = self.providers.answers([Call("eth_getTransactionReceipt", (last,)) for _, last, _ in chunk])
            for (header, _, logs), answer in zip(chunk, answers, strict=True):
                if isinstance(answer, UnknownMethodError):
                    continue
                if isinstance(answer, ChainError):
                    raise answer
                if ends_with(logs, decode_transaction_logs(answer)):
                    proven.add(header.block.number)
        return proven

    def _compare_receipts(self, held: Sequence[tuple[Header, _Held]]) -> None:
        calls = [Call("eth_getBlockReceipts", (_text(header),)) for header, _ in held]
        for (header, logs), answer in zip(held, self.providers.answers(calls), strict=True):
            if isinstance(answer, UnknownMethodError):
                query = {"blockHash": _text(header), "address": self._hex_addresses}
                if decode_logs(self.providers.call("eth_getLogs", query)) != list(logs.wire):
                    raise InconsistentNodeError(f"two answers differ on the logs of block {header.block.number}")
            elif isinstance(answer, ChainError):
                raise answer
            else:
                check_receipts(header.block.number, logs.wire, decode_receipt_logs(answer), self._hex_set)


@dataclass(frozen=True, slots=True)
class _Held:
    """Our logs of one block, as told and as read."""

    wire: Sequence[WireLog]
    raw: Sequence[RawLog]


_NONE: Final = _Held((), ())


def _block(which: str | int) -> Call:
    return Call("eth_getBlockByNumber", (which if isinstance(which, str) else hex(which), False))


def _by_block(wire: Sequence[WireLog], logs: Sequence[RawLog]) -> dict[int, _Held]:
    """Return the logs of a range by block number; `logs` are the same ones, checked to be in the order of blocks."""
    found: dict[int, _Held] = {}
    at = 0
    for number, held in groupby(logs, key=attrgetter("block_number")):
        start, at = at, at + sum(1 for _ in held)
        found[number] = _Held(wire[start:at], logs[start:at])
    return found


def _text(header: Header) -> str:
    return "0x" + header.block.hash.hex()


def _at(number: int, header: Header | None) -> Header:
    if header is None or header.block.number != number:
        raise InconsistentNodeError(f"asked for block {number}, got {header and header.block.number}")
    return header
