"""From raw logs to row changes over all contracts. Pure and deterministic: same logs and rows in, same rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi.runtime import AbiError
from indexer.core import arbiter, escrow, payment_channel, reputation
from indexer.core.context import Contracts
from indexer.core.logs import RawLog
from indexer.core.rows import Key, Place
from indexer.core.workspace import ReducerError, Workspace

_Decode = Callable[[Sequence[bytes], bytes], object]
_Keys = Callable[[object, Workspace, Contracts], list[Key]]
_Apply = Callable[[object, Place, Workspace, Contracts], None]
_Subject = Callable[[Any], bytes]


class UndecodableError(Exception):
    """A log of our own contracts that we cannot read, or that contradicts what we hold. The stream must stop."""

    def __init__(self, log: RawLog, reason: str) -> None:
        super().__init__(f"block {log.block_number}, log {log.log_index}, tx 0x{log.tx_hash.hex()}: {reason}")
        self.log = log
        self.reason = reason


class Decoded(msgspec.Struct, gc=False):
    """A log we understand."""

    log: RawLog
    event: Any

    @property
    def place(self) -> Place:
        """Where it stands: the log itself, so that all rows of a log share one object."""
        return self.log


@dataclass(frozen=True, slots=True)
class _Contract:
    decoders: Mapping[bytes, _Decode]
    keys: _Keys
    apply: _Apply
    subjects: Mapping[type, _Subject]
    """What alone, beside the rows there are, tells the keys of an event; one function for all events it is so for."""


def _contract(
    events: Mapping[bytes, Any], keys: _Keys, apply: _Apply, subjects: Mapping[type, _Subject] | None = None
) -> _Contract:
    return _Contract({topic: kind.decode for topic, kind in events.items()}, keys, apply, subjects or {})


class Reducer:
    """Decodes the logs of our contracts and applies them in order."""

    def __init__(self, contracts: Contracts) -> None:
        self.contracts: Final = contracts
        self._by_address: Final[dict[bytes, _Contract]] = {
            contracts.escrow: _contract(escrow_abi.EVENTS, escrow.keys, escrow.apply, escrow.SUBJECTS),
            contracts.payment_channel: _contract(
                channel_abi.EVENTS, payment_channel.keys, payment_channel.apply, payment_channel.SUBJECTS
            ),
            contracts.reputation: _contract(reputation.EVENTS, reputation.keys, reputation.apply),
        }
        if contracts.arbiter is not None:
            self._by_address[contracts.arbiter.address] = _contract(arbiter.EVENTS, arbiter.keys, arbiter.apply)

    def decode(self, logs: Iterable[RawLog]) -> list[Decoded]:
        """Return the decoded logs. Raises UndecodableError at the first log of ours that cannot be read."""
        decoded: list[Decoded] = []
        for log in logs:
            topics = log.topics
            decode = self._by_address[log.address].decoders.get(topics[0]) if topics else None
            if decode is None:
                raise UndecodableError(log, "no event of this contract has this topic")
            try:
                decoded.append(Decoded(log, decode(topics, log.data)))
            except AbiError as error:
                raise UndecodableError(log, str(error)) from error
        return decoded

    def keys(self, decoded: Sequence[Decoded], workspace: Workspace) -> set[Key]:
        """Return every row the events need, as far as it can be told now; ask again after loading them."""
        found: set[Key] = set()
        for item in decoded:
            contract = self._by_address[item.log.address]
            found.update(contract.keys(item.event, workspace, self.contracts))
        return found

    def missing(self, decoded: Sequence[Decoded], workspace: Workspace) -> tuple[set[Key], list[Decoded]]:
        """Return the rows still to be loaded, and the events to ask about again after that.

        An event all of whose rows are there names no others: what it names depends on nothing but those. Of several
        events that must name the same rows one is asked.
        """
        found: set[Key] = set()
        again: list[Decoded] = []
        asked: set[tuple[_Subject, bytes]] = set()
        for item in decoded:
            contract = self._by_address[item.log.address]
            subject = contract.subjects.get(type(item.event))
            if subject is not None:
                same = (subject, subject(item.event))
                if same in asked:
                    continue
                asked.add(same)
            lacking = workspace.missing(contract.keys(item.event, workspace, self.contracts))
            if lacking:
                found.update(lacking)
                again.append(item)
        return found, again

    def apply(self, decoded: Sequence[Decoded], workspace: Workspace) -> None:
        """Apply the events in order. Raises UndecodableError for one that contradicts what we hold."""
        for item in decoded:
            contract = self._by_address[item.log.address]
            try:
                contract.apply(item.event, item.log, workspace, self.contracts)
            except ReducerError as error:
                raise UndecodableError(item.log, str(error)) from error
