"""A node that also takes transactions: `SimNode` with a pool, state, calls and receipts, and its own bad moods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import httpx

from tests.sim.chain import Mined
from tests.sim.money.contract import Unknown, perform
from tests.sim.money.ground import Executed, Ground, money_at
from tests.sim.money.mempool import Mempool, Sent, decoded
from tests.sim.node import RpcFailure, SimNode, hex0
from tests.sim.turn import CHAIN_ID, CONTRACTS, TOKEN

SENDING: Final = ("send_timeout_before", "send_timeout_after", "send_dropped", "send_full")
"""What happens around a broadcast."""


class Reverted(RpcFailure):
    """A call that reverts, with its data."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(3, f"execution reverted: {name}")
        self.data = data


class MoneyNode(SimNode):
    """One of a story's nodes. `foreign`: it serves another chain behind the same address. `full`: its pool is full.

    `gossips`: what it takes, the other nodes take too.
    """

    def __init__(self, ground: Ground, number: int) -> None:
        codes = (*CONTRACTS.addresses, TOKEN)
        super().__init__(ground.chain, codes, chain_id=CHAIN_ID)
        self.ground = ground
        self.foreign = False
        self.full = False
        self.gossips = True
        self.hides_receipts = False
        self.limited: set[str] = set()
        """Methods it has no more answers to for now."""
        self.refuses: Callable[[Sent], str | None] = lambda _: None
        """Why it does not take a transaction, for reasons of its own."""
        self._place = number
        self._methods |= {
            "eth_chainId": lambda: hex(1 if self.foreign else CHAIN_ID),
            "eth_sendRawTransaction": self._send,
            "eth_getTransactionReceipt": self._mined,
            "eth_getTransactionCount": lambda who, at="latest": hex(money_at(self._known(at)).nonces[_raw(who)]),
            "eth_getBalance": lambda who, at="latest": hex(money_at(self._known(at)).wei[_raw(who)]),
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_maxPriorityFeePerGas": lambda: hex(2_000_000_000),
            "eth_getBlockByNumber": lambda at, full=False: self._block(self._at(at), full=full),
        }

    @property
    def pool(self) -> Mempool:
        """What it holds."""
        return self.ground.pools[self._place]

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one call; a revert carries its data."""
        frame = {"jsonrpc": "2.0", "id": call["id"]}
        method: Callable[..., Any] | None = self._methods.get(call["method"])
        if method is None:
            return {**frame, "error": {"code": -32601, "message": "Method not found"}}
        if call["method"] in self.limited:
            return {**frame, "error": {"code": 429, "message": "compute units exceeded"}}
        try:
            return {**frame, "result": method(*call["params"])}
        except Reverted as reverted:
            error = {"code": reverted.code, "message": reverted.message, "data": hex0(reverted.data)}
            return {**frame, "error": error}
        except RpcFailure as failure:
            return {**frame, "error": {"code": failure.code, "message": failure.message}}

    def _known(self, at: str) -> Mined:
        block = self._at(at)
        if block is None:
            raise RpcFailure(-32000, "header not found")
        if self.foreign:
            return self.chain.genesis
        return block

    def _send(self, raw: str) -> str:
        sent = decoded(_raw(raw))
        if self.foreign:
            raise RpcFailure(-32000, f"invalid chain id for signer: have {sent.chain_id} want 1")
        if self.full:
            self.pool.refused["full for everybody"] += 1
            raise RpcFailure(-32000, "txpool is full")
        problem = self.refuses(sent)
        if problem is not None:
            raise RpcFailure(-32000, problem)
        self.pool.add(sent, money_at(self.seen.path[-1]))
        for pool in self.ground.pools if self.gossips else ():
            if pool is not self.pool:
                try:
                    pool.add(sent, self.ground.money)
                except RpcFailure:
                    continue  # the other node has its own reasons
        return hex0(sent.hash)

    def _mined(self, wanted: str) -> dict[str, Any] | None:
        found = None if self.foreign or self.hides_receipts else self.ground.receipt(_raw(wanted), self.seen.path)
        if found is None:
            return None
        block, executed = found
        return {
            "transactionHash": wanted,
            "transactionIndex": hex(executed.index),
            "logs": [self._log(log) for log in block.logs if log.tx_hash == executed.sent.hash],
            "blockHash": hex0(block.hash),
            "blockNumber": hex(block.number),
            "status": "0x1" if executed.succeeded else "0x0",
            "gasUsed": hex(executed.gas),
            "effectiveGasPrice": hex(min(executed.sent.max_fee, block.state["base_fee"] + executed.sent.tip)),
        }

    def _block(self, block: Mined | None, *, full: bool) -> dict[str, Any] | None:
        header = self._header(block)
        if header is None or block is None:
            return None
        header["baseFeePerGas"] = hex(block.state["base_fee"])
        if full:
            header["transactions"] = [_told(one) for one in self.ground.executed[block.hash]]
        return header

    def _run(self, request: Mapping[str, Any], at: str) -> int:
        block = self._known(at)
        now = max(block.time + 1, self.ground.now) if at == "pending" else block.time
        try:
            _, done = perform(money_at(block), _raw(request["from"]), _raw(request["to"]), _raw(request["data"]), now)
        except Unknown as unknown:
            raise RpcFailure(-32601, f"no such function: {unknown}") from unknown
        if done.revert is not None:
            raise Reverted(done.revert, done.error)
        if "gas" in request and int(request["gas"], 16) < done.gas:
            raise RpcFailure(-32000, "out of gas")
        return done.gas

    def _call(self, request: Mapping[str, Any], at: str = "latest") -> str:
        self._run(request, at)
        return "0x"

    def _estimate(self, request: Mapping[str, Any], at: str = "latest") -> str:
        return hex(self._run(request, at))


def _told(one: Executed) -> dict[str, str]:
    return {"hash": hex0(one.sent.hash), "nonce": hex(one.sent.nonce), "from": hex0(one.sent.sender)}


def _raw(word: str) -> bytes:
    return bytes.fromhex(word[2:])


class Gate(httpx.BaseTransport):
    """What fails around a broadcast itself, in front of everything else of a node; `rate` by dice, counted by kind."""

    def __init__(self, inner: httpx.BaseTransport, node: MoneyNode, random: Random, counts: Any, rate: float) -> None:
        self._inner, self._node, self._random, self._counts = inner, node, random, counts
        self.rate = rate
        self.scripted: list[str] = []
        """What happens to the next broadcasts for certain."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; a request that sends may be lost before or after the node has it."""
        if b"eth_sendRawTransaction" not in request.read():
            return self._inner.handle_request(request)
        if not self.scripted and self._random.random() >= self.rate:
            return self._inner.handle_request(request)
        kind = self.scripted.pop(0) if self.scripted else self._random.choice(SENDING)
        self._counts[kind] += 1
        if kind == "send_timeout_before":
            raise httpx.ReadTimeout("nothing came", request=request)
        if kind == "send_full":
            self._node.full = True
        try:
            answer = self._inner.handle_request(request)
        finally:
            self._node.full = False
        if kind == "send_timeout_after":
            raise httpx.ReadTimeout("it came too late", request=request)
        if kind == "send_dropped":
            self._node.pool.waiting.clear()
        return answer
