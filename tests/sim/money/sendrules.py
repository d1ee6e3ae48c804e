"""The rules of public pools in front of a node that has none: a transport that keeps what a pool would have kept."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from random import Random
from types import SimpleNamespace
from typing import Any

import httpx

from tests.sim.money.mempool import Mempool, Sent, decoded
from tests.sim.node import RpcFailure

_ODD = ("send_timeout_before", "send_timeout_after", "send_full")


class SendRules(httpx.BaseTransport):
    """Refuses what a public pool refuses, and forwards the rest; now and then it loses a broadcast by dice."""

    def __init__(self, node: httpx.BaseTransport, random: Random, counts: Counter[str], rate: float) -> None:
        self._node, self._random, self._counts = node, random, counts
        self.rate = rate
        self.pool = Mempool()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = json.loads(request.read())
        calls = body if isinstance(body, list) else [body]
        if not any(call["method"] == "eth_sendRawTransaction" for call in calls):
            return self._node.handle_request(request)
        odd = self._random.choice(_ODD) if self._random.random() < self.rate else ""
        self._counts.update([odd] if odd else [])
        if odd == "send_timeout_before":
            raise httpx.ReadTimeout("nothing came", request=request)
        answers = [self._one(call, full=odd == "send_full") for call in calls]
        if odd == "send_timeout_after":
            raise httpx.ReadTimeout("it came too late", request=request)
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    def close(self) -> None:
        """Close the node behind."""
        self._node.close()

    def _one(self, call: dict[str, Any], *, full: bool) -> dict[str, Any]:
        if call["method"] != "eth_sendRawTransaction":
            return self._ask(call)
        if full:
            return self._refusal(call, RpcFailure(-32000, "txpool is full"))
        try:
            sent = decoded(bytes.fromhex(call["params"][0][2:]))
            known = self._state(sent)
            self.pool.prune(known)
            self.pool.add(sent, known)
        except RpcFailure as failure:
            return self._refusal(call, failure)
        return self._ask(call)

    def _refusal(self, call: dict[str, Any], failure: RpcFailure) -> dict[str, Any]:
        self._counts[f"refused: {failure.message.split(':')[0]}"] += 1
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": failure.code, "message": failure.message}}

    def _state(self, sent: Sent) -> Any:
        """Return what the node knows of everybody this pool holds something of."""
        senders = {sent.sender, *self.pool.waiting}
        known = SimpleNamespace(nonces=defaultdict(int), wei=defaultdict(int))
        for sender in senders:
            who = "0x" + sender.hex()
            known.nonces[sender] = int(self._said("eth_getTransactionCount", who, "latest"), 16)
            known.wei[sender] = int(self._said("eth_getBalance", who, "latest"), 16)
        return known

    def _said(self, method: str, *params: Any) -> Any:
        return self._ask({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})["result"]

    def _ask(self, call: dict[str, Any]) -> dict[str, Any]:
        request = httpx.Request(
            "POST", "http://node", content=json.dumps(call), headers={"content-type": "application/json"}
        )
        answer: dict[str, Any] = json.loads(self._node.handle_request(request).read())
        return answer
