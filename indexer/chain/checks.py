"""What logs must satisfy before anybody may use them. Pure; a check raises InconsistentNodeError or is silent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from indexer.chain.bloom import bloom_of, may_contain
from indexer.chain.errors import InconsistentNodeError
from indexer.chain.wire import Header, WireLog
from indexer.core.chain_view import Block
from indexer.core.logs import RawLog


def check_block_logs(header: Header, logs: Sequence[RawLog], addresses: Collection[bytes]) -> None:
    """Check logs of one block: its hash, our addresses, rising index, each in the bloom.

    Raises InconsistentNodeError.
    """
    previous = -1
    for log in logs:
        if log.block_hash != header.block.hash or log.block_number != header.block.number:
            raise InconsistentNodeError(f"log of block {header.block.number} carries a foreign hash")
        if log.log_index <= previous:
            raise InconsistentNodeError(f"log index does not rise in block {header.block.number}")
        if log.address not in addresses or not all(may_contain(header.bloom, v) for v in (log.address, *log.topics)):
            raise InconsistentNodeError(f"a log of block {header.block.number} is not in its bloom")
        previous = log.log_index


def check_range_logs(first: int, last: int, logs: Sequence[RawLog], addresses: Collection[bytes]) -> None:
    """Check logs of a range: inside it, our addresses, (block, index) rising. Raises InconsistentNodeError."""
    number, index = -1, -1
    for log in logs:
        if log.block_number == number:
            if log.log_index <= index:
                raise InconsistentNodeError(f"log order does not rise at block {log.block_number}")
        elif log.block_number < number:
            raise InconsistentNodeError(f"log order does not rise at block {log.block_number}")
        if log.address not in addresses or not first <= log.block_number <= last:
            raise InconsistentNodeError(f"log outside the asked range: block {log.block_number}")
        number, index = log.block_number, log.log_index


def check_links(headers: Sequence[Header]) -> None:
    """Check that each header is the child of the one before it. Raises InconsistentNodeError."""
    for parent, child in pairwise(headers):
        if child.block.parent_hash != parent.block.hash:
            raise InconsistentNodeError(f"block {child.block.number} is not the child of block {parent.block.number}")


def check_receipts(number: int, logs: Sequence[WireLog], found: Sequence[WireLog], addresses: Collection[str]) -> None:
    """Check that `logs` are all of ours among those the block's receipts hold. Raises InconsistentNodeError."""
    ours = ours_of(found, addresses)
    if list(logs) != ours:
        raise InconsistentNodeError(f"logs and receipts of block {number} differ: {len(logs)} and {len(ours)} of ours")


def may_be_complete(header: Header, logs: Sequence[RawLog]) -> bool:
    """Return whether these logs of a block, in order, may be all it has: numbered from 0 on, its bloom exactly theirs.

    What they cannot show is whether others come after the last one; see `ends_with`.
    """
    if not logs or logs[-1].log_index != len(logs) - 1:
        return False
    told = {log.address for log in logs}
    for log in logs:
        told.update(log.topics)
    return bloom_of(told) == header.bloom


def drawn_of(end: Block, count: int) -> int:
    """Return which of the blocks of a range, counted from 0, is compared whole: nobody chooses it, and all agree."""
    return int.from_bytes(end.hash[-8:], "big") % count


def ends_with(logs: Sequence[WireLog], last: Sequence[WireLog]) -> bool:
    """Return whether the logs of a block end with those of its last transaction, which has some.

    Then the block's receipts number as many logs as there are; without a gap in the numbers none is missing.
    """
    return bool(last) and list(logs[-len(last) :]) == list(last)


def ours_of(logs: Sequence[WireLog], addresses: Collection[str]) -> list[WireLog]:
    """Return the logs of these contracts, given as hexadecimal in small letters."""
    return [log for log in logs if log.address.lower() in addresses]
