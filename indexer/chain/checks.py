"""What logs must satisfy before anybody may use them. Pure; a check raises InconsistentNodeError or is silent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import msgspec

from indexer.chain.bloom import may_contain
from indexer.chain.errors import InconsistentNodeError
from indexer.chain.wire import Header, WireLog, decode_log, receipt_log_texts
from indexer.core.logs import RawLog


def check_block_logs(header: Header, logs: Sequence[RawLog], addresses: Collection[bytes]) -> None:
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


def check_range_logs(first: int, last: int, logs: Sequence[RawLog], addresses: Collection[bytes]) -> None:
    """Check logs of a range: inside it, our addresses, (block, index) rising."""
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
    """Check that each header is the child of the one before it."""
    for parent, child in pairwise(headers):
        if child.block.parent_hash != parent.block.hash:
            raise InconsistentNodeError(f"block {child.block.number} is not the child of block {parent.block.number}")


def check_receipts(number: int, logs: Sequence[WireLog], found: Sequence[WireLog], addresses: Collection[str]) -> None:
    """Check that `logs` are all of ours among those the block's receipts hold."""
    ours = ours_of(found, addresses)
    if list(logs) != ours:
        raise InconsistentNodeError(f"logs and receipts of block {number} differ: {len(logs)} and {len(ours)} of ours")


class LogTexts:
    """The text of an eth_getLogs answer whose logs are known to be ours, followed along the receipts of its blocks.

    Logs of the same text are the same, and need not be read to see it. An object of JSON ends where it ends: where one
    from a receipt begins the rest of the answer, it is the answer's next log. A node that spells a log of a receipt in
    another way has its blocks compared by value from there on.
    """

    def __init__(self, answer: bytes, addresses: Collection[str]) -> None:
        self._answer = answer
        self._addresses = addresses
        self._at: int | None = 1
        """Where the next log begins, after the bracket; None when that is not known any more."""

    def hold(self, receipts: bytes, count: int) -> bool:
        """Return whether the next `count` logs are all of ours in the next block's receipts. If not, compare them."""
        at, self._at = self._at, None
        if at is None:
            return False
        answer, left = self._answer, count
        try:
            for text in receipt_log_texts(receipts):
                if answer.startswith(text, at):
                    at += len(text) + 1  # the comma
                    left -= 1
                elif ours_of([decode_log(text)], self._addresses):
                    return False
        except msgspec.MsgspecError:
            return False
        if left:
            return False
        self._at = at
        return True


def ours_of(logs: Sequence[WireLog], addresses: Collection[str]) -> list[WireLog]:
    """Return the logs of these contracts, given as hexadecimal in small letters."""
    return [log for log in logs if log.address.lower() in addresses]
