"""A chain in memory behind JSON-RPC, and nodes in front of it that can be told to answer wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from aicp.rules.primitives import keccak
from indexer.chain.bloom import mask
from indexer.chain.node import Node
from indexer.chain.rpc import Provider, Providers
from indexer.core.chain_view import Block

CHAIN_ID = 31337
OURS = keccak(b"ours")[:20]
OTHER = keccak(b"other")[:20]
TOPIC = keccak(b"Event()")


@dataclass(slots=True)
class Chain:
    """Blocks 0.. with the logs of each; `fork(at)` shares the blocks below `at`."""

    blocks: list[Block] = field(default_factory=list)
    logs: dict[bytes, list[dict[str, Any]]] = field(default_factory=dict)
    name: str = "a"

    def mine(self, *logs: int, alone: bool = False) -> Chain:
        """Add blocks, each with so many logs of ours, and one of somebody else where there is any unless `alone`.

        Every log has a transaction of its own.
        """
        for count in logs:
            number = len(self.blocks)
            block_hash = keccak(f"{self.name} {number}".encode())
            parent = self.blocks[-1].hash if self.blocks else bytes(32)
            self.blocks.append(Block(number=number, hash=block_hash, parent_hash=parent, time=1_000 + number))
            addresses = [*[OURS] * count, *[OTHER] * (not alone)] if count else []
            self.logs[block_hash] = [
                {
                    "address": "0x" + address.hex(), "topics": ["0x" + TOPIC.hex()], "data": "0x" + f"{index:02x}",
                    "blockNumber": hex(number), "blockHash": "0x" + block_hash.hex(), "logIndex": hex(index),
                    "transactionHash": "0x" + keccak(block_hash + bytes([index % 256])).hex(), "removed": False,
                }
                for index, address in enumerate(addresses)
            ]  # fmt: skip
        return self

    def fork(self, at: int, name: str) -> Chain:
        """Return another chain that shares the blocks below `at`."""
        return Chain(list(self.blocks[:at]), dict(self.logs), name)

    def header(self, block: Block) -> dict[str, Any]:
        """Return the header as a node tells it."""
        held = self.logs[block.hash]
        bloom = 0
        for log in held:
            for value in (log["address"], *log["topics"]):
                bloom |= mask(bytes.fromhex(value[2:]))
        return {
            "number": hex(block.number), "hash": "0x" + block.hash.hex(), "parentHash": "0x" + block.parent_hash.hex(),
            "timestamp": hex(block.time), "logsBloom": f"0x{bloom:0512x}",
            "transactions": [log["transactionHash"] for log in held],
        }  # fmt: skip


class RpcFault(Exception):
    """An error object in place of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


Fault = Callable[[str, list[Any], Any], Any]


class FakeNode(httpx.BaseTransport):
    """A node of a chain. `fault(method, params, result)` may change a result or raise; `answer` replaces everything."""

    def __init__(self, chain: Chain, *, head: int | None = None, final_depth: int = 2) -> None:
        self.chain = chain
        self.head = head
        self.final_depth = final_depth
        self.fault: Fault | None = None
        self.answer: Callable[[httpx.Request], httpx.Response | None] | None = None
        self.asked: list[str] = []
        self.batches = 0

    @property
    def top(self) -> int:
        """The newest block this node has."""
        return len(self.chain.blocks) - 1 if self.head is None else self.head

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.batches += 1
        if self.answer is not None and (answer := self.answer(request)) is not None:
            return answer
        body = json.loads(request.content)
        answers = [self._one(call) for call in (body if isinstance(body, list) else [body])]
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(call["method"])
        try:
            result = getattr(self, "_" + call["method"])(*call["params"])
            if self.fault is not None:
                result = self.fault(call["method"], call["params"], result)
        except RpcFault as error:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": error.code, "message": str(error)}}
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def _eth_chainId(self) -> str:  # noqa: N802
        return hex(CHAIN_ID)

    def _eth_getCode(self, *_: Any) -> str:  # noqa: N802
        return "0x00"

    def _eth_getBlockByNumber(self, which: str, _: bool) -> dict[str, Any] | None:  # noqa: N802
        depth = {"latest": 0, "safe": 1, "finalized": self.final_depth}.get(which)
        number = int(which, 16) if depth is None else max(0, self.top - depth)
        return self.chain.header(self.chain.blocks[number]) if number <= self.top else None

    def _eth_getBlockByHash(self, block_hash: str, _: bool) -> dict[str, Any] | None:  # noqa: N802
        found = [block for block in self.chain.blocks[: self.top + 1] if "0x" + block.hash.hex() == block_hash]
        return self.chain.header(found[0]) if found else None

    def _eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: N802
        if "blockHash" in query:
            held = self.chain.logs.get(bytes.fromhex(query["blockHash"][2:]), [])
        else:
            first, last = int(query["fromBlock"], 16), min(int(query["toBlock"], 16), self.top)
            held = [log for block in self.chain.blocks[first : last + 1] for log in self.chain.logs[block.hash]]
        return [dict(log) for log in held if log["address"] in query["address"]]

    def _eth_getBlockReceipts(self, block_hash: str) -> list[dict[str, Any]] | None:  # noqa: N802
        held = self.chain.logs.get(bytes.fromhex(block_hash[2:]))
        return None if held is None else [{"logs": [dict(log) for log in held]}]

    def _eth_getTransactionReceipt(self, wanted: str) -> dict[str, Any] | None:  # noqa: N802
        held = [log for logs in self.chain.logs.values() for log in logs if log["transactionHash"] == wanted]
        return {"logs": [dict(log) for log in held]} if held else None


def provider_of(node: httpx.BaseTransport, name: str = "node") -> Provider:
    """Return a provider in front of a node in memory."""
    return Provider(f"http://{name}.test", transport=node)


def node_of(*nodes: FakeNode, whole_ranges: bool = True) -> Node:
    """Return what the indexer asks, with these nodes as providers `node0`, `node1`, ..."""
    members = [provider_of(node, f"node{number}") for number, node in enumerate(nodes)]
    return Node(Providers(members), [OURS], finality_depth=3, whole_ranges=whole_ranges)
