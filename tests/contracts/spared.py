"""Spares Ape what decides nothing here: more than half of the time of all contract tests.

Ape is made for people at a terminal and for any node. The tests know theirs: an anvil of their own whose fees are zero,
which mines every transaction at once and keeps the gas limit of its blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import ape_ethereum.provider
from ape.api.networks import NetworkAPI
from ape.api.transactions import ReceiptAPI
from ape.contracts.base import ContractMethodHandler
from ape_ethereum.trace import Trace, TransactionTrace
from ape_foundry.provider import FoundryProvider
from web3.providers.rpc.rpc import HTTPProvider

_CALLS = frozenset({"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"})
_OPTIONS = {"disableStorage": True, "disableMemory": True, "enableMemory": False}


def spare() -> None:
    """Replace what is spared; call once, before the first test."""
    _spare_traces()
    _spare_questions()
    _spare_transport()
    _keep(FoundryProvider, "settings")  # Ape reads and checks all of them each time it asks for one, and so these
    _keep(NetworkAPI, "config")


def _spare_traces() -> None:
    """Find the last call of a reverted transaction without an object for each instruction of its trace."""
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


def _keep(kind: type, name: str) -> None:
    """Work a property out once for each object."""
    work_out = getattr(kind, name).fget
    known: dict[int, Any] = {}

    def kept(self: Any) -> Any:
        if id(self) not in known:
            known[id(self)] = work_out(self)
        return known[id(self)]

    setattr(kind, name, property(kept))


def _spare_transport() -> None:
    """Ask over one plain connection: `requests` reads the whole environment for each question."""
    mine = threading.local()

    def _make_request(self: HTTPProvider, _method: str, data: bytes) -> bytes:
        where = urlsplit(str(self.endpoint_uri)).netloc
        if getattr(mine, "where", None) != where:
            mine.where, mine.connection = where, HTTPConnection(where, timeout=60)
        try:
            mine.connection.request("POST", "/", data, {"Content-Type": "application/json"})
            return bytes(mine.connection.getresponse().read())
        except (OSError, HTTPException):
            mine.where = None  # the next question opens another one
            raise

    HTTPProvider._make_request = _make_request


def _spare_questions() -> None:
    """Do not ask the node for what is known: half of what Ape asks around a transaction."""
    ape_ethereum.provider._post_send_transaction = lambda *_: None  # looks for what contracts print; ours print nothing
    ReceiptAPI._await_sender_nonce_increment = lambda _: None  # a transaction with a receipt has been mined
    ContractMethodHandler._validate_is_contract = lambda _: None
    FoundryProvider.priority_fee = property(lambda _: 0)
    FoundryProvider.base_fee = property(lambda _: 0)
    _keep(FoundryProvider, "max_gas")
