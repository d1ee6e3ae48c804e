"""A node in this process: answers anvil's JSON-RPC from a `Chain`, as a transport of httpx."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.sim.chain import Chain, Mined, PlacedLog, branch


class RpcFailure(Exception):
    """What a node answers as a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Look:
    """The chain as one node sees it: the branch by number, and its marks."""

    path: Sequence[Mined]
    safe: int
    final: int


class SimNode(httpx.BaseTransport):
    """One node. `look` may be replaced to let it follow another branch or fall behind; None is the chain itself.

    `cap` is the most logs it answers a range with; `with_times` says whether logs carry their block's time.
    """

    def __init__(self, chain: Chain, codes: Sequence[bytes], *, chain_id: int, cap: int = 10_000) -> None:
        self.chain = chain
        self.look: Look | None = None
        self.cap = cap
        self.with_times = True
        self.with_tags = True
        self._codes = {"0x" + code.hex() for code in codes}
        self._chain_id = chain_id
        self._methods: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(self._chain_id),
            "eth_blockNumber": lambda: hex(self.seen.path[-1].number),
            "eth_getCode": lambda address, _at="latest": "0x00" if address in self._codes else "0x",
            "eth_getBlockByNumber": lambda at, _full=False: self._header(self._at(at)),
            "eth_getBlockByHash": lambda wanted, _full=False: self._header(self._by_hash(wanted)),
            "eth_getLogs": self._logs,
            "eth_getBlockReceipts": self._receipts,
            "eth_getTransactionReceipt": self._receipt,
        }

    @property
    def seen(self) -> Look:
        """What the node sees now."""
        return self.look or Look(self.chain.path, self.chain.safe, self.chain.final)

    def behind(self, blocks: int) -> None:
        """Fall behind the chain: stand still where it was so many blocks ago."""
        path = list(self.chain.path[: max(1, len(self.chain.path) - blocks)])
        top = path[-1].number
        self.look = Look(path, min(self.chain.safe, top), min(self.chain.final, top))

    def on_branch(self, head: Mined) -> None:
        """Follow another branch than the chain."""
        path = branch(head)
        shared = sum(1 for ours, theirs in zip(self.chain.path, path, strict=False) if ours.hash == theirs.hash)
        self.look = Look(path, min(self.chain.safe, shared - 1), min(self.chain.final, shared - 1))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one HTTP request."""
        body = json.loads(request.read())
        calls = body if isinstance(body, list) else [body]
        answers = [self.answer(call) for call in calls]
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one call."""
        frame = {"jsonrpc": "2.0", "id": call["id"]}
        method = self._methods.get(call["method"])
        if method is None:
            return {**frame, "error": {"code": -32601, "message": "Method not found"}}
        try:
            return {**frame, "result": method(*call["params"])}
        except RpcFailure as failure:
            return {**frame, "error": {"code": failure.code, "message": failure.message}}

    def _at(self, at: str) -> Mined | None:
        seen = self.seen
        if at in {"safe", "finalized"} and not self.with_tags:
            raise RpcFailure(-32602, f"unknown block tag {at}")
        marks = {"earliest": 0, "latest": seen.path[-1].number, "pending": seen.path[-1].number}
        number = {**marks, "safe": seen.safe, "finalized": seen.final}.get(at)
        number = int(at, 16) if number is None else number
        return seen.path[number] if number < len(seen.path) else None

    def _by_hash(self, wanted: str) -> Mined | None:
        """Nodes keep side branches for a while: any block it may have seen is known by hash."""
        block = self.chain.by_hash.get(bytes.fromhex(wanted[2:]))
        return block if block is not None and block.number <= self.seen.path[-1].number + 64 else None

    def _logs(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted = set(_listed(query.get("address")))
        if "blockHash" in query:
            block = self._by_hash(query["blockHash"])
            if block is None:
                raise RpcFailure(-32000, "unknown block")
            return [self._log(log) for log in block.logs if not wanted or hex0(log.address) in wanted]
        first, last = self._number(query["fromBlock"]), self._number(query["toBlock"])
        found = [
            self._log(log)
            for block in self.seen.path[first : last + 1]
            for log in block.logs
            if not wanted or hex0(log.address) in wanted
        ]
        if len(found) > self.cap:
            half = first + (last - first) // 2
            hint = f"Try with this block range [{hex(first)}, {hex(half)}]."
            raise RpcFailure(-32005, f"query returned more than {self.cap} results. {hint}")
        return found

    def _number(self, at: str) -> int:
        block = self._at(at) if not at.startswith("0x") else None
        return block.number if block is not None else int(at, 16)

    def _receipts(self, at: str) -> list[dict[str, Any]] | None:
        block = self._by_hash(at) if len(at) == 66 else self._at(at)
        return None if block is None else self._receipts_of(block)

    def _receipt(self, wanted: str) -> dict[str, Any] | None:
        """A transaction counts in the block the node's own branch has it in."""
        blocks = (block for block in self.seen.path if any(hex0(each.hash) == wanted for each in block.transactions))
        receipts = (receipt for block in blocks for receipt in self._receipts_of(block))
        return next((receipt for receipt in receipts if receipt["transactionHash"] == wanted), None)

    def _receipts_of(self, block: Mined) -> list[dict[str, Any]]:
        return [
            {
                "transactionHash": hex0(transaction.hash),
                "transactionIndex": hex(index),
                "blockHash": hex0(block.hash),
                "blockNumber": hex(block.number),
                "status": "0x1",
                "logs": [self._log(log) for log in block.logs if log.tx_index == index],
            }
            for index, transaction in enumerate(block.transactions)
        ]

    def _header(self, block: Mined | None) -> dict[str, Any] | None:
        if block is None:
            return None
        return {
            "number": hex(block.number),
            "hash": hex0(block.hash),
            "parentHash": hex0(block.parent_hash),
            "timestamp": hex(block.time),
            "logsBloom": f"0x{block.bloom:0512x}",
            "transactions": [hex0(transaction.hash) for transaction in block.transactions],
        }

    def _log(self, log: PlacedLog) -> dict[str, Any]:
        spelled = {
            "address": hex0(log.address),
            "topics": [hex0(topic) for topic in log.topics],
            "data": hex0(log.data),
            "blockNumber": hex(log.block_number),
            "blockHash": hex0(log.block_hash),
            "transactionHash": hex0(log.tx_hash),
            "transactionIndex": hex(log.tx_index),
            "logIndex": hex(log.log_index),
            "removed": False,
        }
        return {**spelled, "blockTimestamp": hex(log.block_time)} if self.with_times else spelled


def hex0(value: bytes) -> str:
    """Return 0x-hex."""
    return "0x" + value.hex()


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [item.lower() for item in (value if isinstance(value, list) else [value])]
