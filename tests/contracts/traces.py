"""Spares Ape the parsing of traces that decide nothing: half of the time of all tests that expect a revert.

To name the error of a reverted transaction Ape looks for the last call in its trace, for which it turns every
instruction into an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ape_ethereum.trace import Trace, TransactionTrace

_CALLS = frozenset({"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"})
_OPTIONS = {"disableStorage": True, "disableMemory": True, "enableMemory": False}


def spare() -> None:
    """Replace the search; call once, before the first test."""
    addresses = Trace.get_addresses_used

    def get_addresses_used(self: Trace, reverse: bool = False) -> Iterator[Any]:
        if reverse and isinstance(self, TransactionTrace):
            trace = self.provider.make_request("debug_traceTransaction", [self.transaction_hash, _OPTIONS])
            last = next((f for f in reversed(trace["structLogs"]) if f["op"] in _CALLS or "CREATE" in f["op"]), None)
            if last is not None and last["op"] in _CALLS:
                yield self._ecosystem.decode_address("0x" + last["stack"][-2][2:].zfill(40)[-40:])
                return
        yield from addresses(self, reverse=reverse)

    Trace.get_addresses_used = get_addresses_used
