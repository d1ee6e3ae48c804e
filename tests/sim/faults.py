"""Faults in front of a node: a transport of httpx that fails, delays and lies, each time by dice, and counts it.

It works on the JSON alone, so the node behind may be in this process or an anvil. `healed` switches everything off.
Nothing here lies in a way no client could find out: a block's logs are never wrong in the same way as its receipts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

Answer = dict[str, Any]
Call = dict[str, Any]

REFUSALS: Final = (
    "refused", "timeout_before", "timeout_after", "slow", "http_500", "http_429", "http_429_retry_after",
    "broken_json", "error_of_one", "error_of_all", "limited", "range_too_large", "lost_answer",
)  # fmt: skip
"""The answer does not come, or is an error."""
LIES: Final = ("empty", "missing", "truncated", "duplicated", "foreign", "removed", "unordered")
HARMLESS: Final = ("reordered", "stale_head")
HEADERS: Final = ("no_block", "wrong_block", "no_tags", "no_receipts", "no_receipt", "wrong_receipt")
KINDS: Final = (
    *REFUSALS, *HARMLESS, *HEADERS, *(f"{lie}_{where}" for where in ("of_block", "in_range") for lie in LIES),
)  # fmt: skip
WORDINGS: Final = (
    "query returned more than 10000 results. Try with this block range [{first}, {half}].",
    "Log response size exceeded. Based on your parameters, this block range should work: [{first}, {half}]",
    "block range is too large, limit is 10",
    "exceed maximum block range: 5000",
    "eth_getLogs is limited to a 10,000 range",
    "range too large, max is 1k blocks",
    "query exceeds max results 20000, retry with the range {first}-{half}",
    "requested too many blocks, maximum is set to 2048",
    "the block range must be less than 3500",
    "You are allowed to query a maximum of 1000 blocks per range",
    "response size should not greater than 10000000 bytes",
    "backend response too large",
    "query timeout exceeded",
    "too many results",
    "getLogs request exceeded max allowed range",
    "Block range limit exceeded.",
    "logs matched by query exceeds limit of 10000",
    "please limit the query to at most 1000 blocks",
    "ranges over 10000 blocks are not supported on freetier",
    "eth_getLogs and eth_newFilter are limited to 1024 blocks range",
    "block range greater than 100 max",
)


@dataclass(slots=True)
class Faulty(httpx.BaseTransport):
    """See the module's docstring. `before` is called ahead of every request and may raise."""

    node: httpx.BaseTransport
    random: Random
    kinds: Collection[str]
    rate: float = 0.1
    healed: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    before: Callable[[], None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, rightly or not."""
        self.before()
        if self.healed or not self.kinds or self.random.random() >= self.rate:
            return self.node.handle_request(request)
        calls: list[Call] = _listed(json.loads(request.read()))
        fitting = [kind for kind in sorted(self.kinds) if _fits(kind, calls)]
        if not fitting:
            return self.node.handle_request(request)
        kind = self.random.choice(fitting)
        if kind in REFUSALS:
            self.counts[kind] += 1
            return self._refuse(kind, request, calls)
        if kind == "stale_head":
            return self._stale(request, calls)
        answers: list[Answer] = _listed(json.loads(self.node.handle_request(request).read()))
        if self._spoil(kind, calls, answers):
            self.counts[kind] += 1
        return httpx.Response(200, json=answers)

    @staticmethod
    def calls_of(request: httpx.Request) -> list[Call]:
        """Return the calls of a request."""
        return _listed(json.loads(request.read()))

    def close(self) -> None:
        """Close the node behind."""
        self.node.close()

    def _refuse(self, kind: str, request: httpx.Request, calls: list[Call]) -> httpx.Response:
        match kind:
            case "refused":
                raise httpx.ConnectError("connection refused", request=request)
            case "timeout_before":
                raise httpx.ReadTimeout("nothing came", request=request)
            case "timeout_after" | "slow":
                self.node.handle_request(request).read()
                raise httpx.ReadTimeout("it came too late", request=request)
            case "http_500":
                return httpx.Response(self.random.choice((500, 502, 503, 504)), text="<html>bad gateway</html>")
            case "http_429":
                return httpx.Response(429, text="slow down")
            case "http_429_retry_after":
                return httpx.Response(429, headers={"retry-after": "2"}, json=_error(None, 429, "slow down"))
            case "error_of_all":
                return httpx.Response(200, json=_error(None, -32000, "the backend is not there"))
        content = self.node.handle_request(request).read()
        if kind == "broken_json":
            return httpx.Response(200, content=content[: len(content) // 2])
        answers = _listed(json.loads(content))
        at = self.random.randrange(len(answers))
        if kind == "lost_answer":
            del answers[at]
        elif kind == "range_too_large":
            at = next(at for at, call in enumerate(calls) if _is_range(call))
            answers[at] = _error(
                answers[at]["id"], self.random.choice((-32005, -32602, -32000)), self._wording(calls[at])
            )
        else:
            code, message = (429, "compute units exceeded") if kind == "limited" else (-32000, "internal error")
            answers[at] = _error(answers[at]["id"], code, message)
        return httpx.Response(200, json=answers)

    def _wording(self, call: Call) -> str:
        query = call["params"][0]
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        return self.random.choice(WORDINGS).format(first=hex(first), half=hex(first + (last - first) // 2))

    def _stale(self, request: httpx.Request, calls: list[Call]) -> httpx.Response:
        """Answer as a node that has not seen the last blocks yet: no header of them, no log of them, no error."""
        self.counts["stale_head"] += 1
        head = int(self._ask("eth_blockNumber"), 16)
        top = max(0, head - self.random.choice((1, 1, 2, 3, 8, 500)))
        answers: list[Answer] = _listed(json.loads(self.node.handle_request(request).read()))
        for call, answer in zip(calls, answers, strict=True):
            result = answer.get("result")
            if call["method"] == "eth_getBlockByNumber" and result is not None and int(result["number"], 16) > top:
                named = call["params"][0] in {"latest", "safe", "finalized"}
                answer["result"] = self._ask("eth_getBlockByNumber", hex(top), False) if named else None
            elif _is_range(call) and result is not None:
                answer["result"] = [log for log in result if int(log["blockNumber"], 16) <= top]
        return httpx.Response(200, json=answers)

    def _ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        headers = {"content-type": "application/json"}
        request = httpx.Request("POST", "http://node", content=json.dumps(body), headers=headers)
        return json.loads(self.node.handle_request(request).read())["result"]

    def _spoil(self, kind: str, calls: list[Call], answers: list[Answer]) -> bool:
        if kind == "reordered":
            self.random.shuffle(answers)
            return True
        if kind.endswith(("_of_block", "_in_range")):
            lie = kind.removesuffix("_of_block").removesuffix("_in_range")
            asked = _is_range if kind.endswith("_in_range") else _is_block
            return sum(self._lie(lie, answers[at]) for at, call in enumerate(calls) if asked(call)) > 0
        places = [at for at, call in enumerate(calls) if call["method"] in _SPOILT.get(kind, ("eth_getBlockByNumber",))]
        if kind == "no_tags":
            places = [at for at in places if calls[at]["params"][0] in {"safe", "finalized"}]
        at = self.random.choice(places)
        answer = answers[at]
        if kind in {"no_block", "no_receipt"}:
            answer["result"] = None
        elif kind == "wrong_receipt":
            return self._lie(self.random.choice(("empty", "missing", "foreign")), {"result": _logs_of(answer)})
        elif kind == "wrong_block":
            result = answer.get("result")
            number = int(result["number"], 16) if result else 0
            answer["result"] = self._ask("eth_getBlockByNumber", hex(max(0, number - self.random.randint(1, 3))), False)
        else:
            for place in places:
                answers[place] = _error(answers[place]["id"], -32601, f"{kind}: the method or tag is not available")
        return True

    def _lie(self, lie: str, answer: Answer) -> bool:
        """Spoil a list of logs; return False where there is nothing to spoil."""
        logs: list[dict[str, Any]] = answer.get("result") or []
        if len(logs) < (2 if lie in {"unordered", "missing", "truncated"} else 1):
            return False
        at = self.random.randrange(len(logs))
        match lie:
            case "empty":
                logs.clear()
            case "missing":
                del logs[at]
            case "truncated":
                del logs[self.random.randint(1, len(logs) - 1) :]
            case "duplicated":
                logs.insert(at, dict(logs[at]))
            case "foreign":
                logs[at]["blockHash"] = f"0x{self.random.getrandbits(256):064x}"
            case "removed":
                logs[at]["removed"] = True
            case _:
                other = (at + 1) % len(logs)
                logs[at], logs[other] = logs[other], logs[at]
        return True


_SPOILT: Final = {
    "no_receipts": ("eth_getBlockReceipts", "eth_getTransactionReceipt"),
    "no_receipt": ("eth_getTransactionReceipt",),
    "wrong_receipt": ("eth_getTransactionReceipt",),
}


def _logs_of(answer: Answer) -> list[dict[str, Any]]:
    receipt: dict[str, Any] = answer.get("result") or {"logs": []}
    logs: list[dict[str, Any]] = receipt["logs"]
    return logs


def _fits(kind: str, calls: list[Call]) -> bool:
    """Return whether a request holds what a kind of fault spoils."""
    if kind == "range_too_large" or kind.endswith("_in_range"):
        return any(_is_range(call) for call in calls)
    if kind.endswith("_of_block"):
        return any(_is_block(call) for call in calls)
    if kind in _SPOILT:
        return any(call["method"] in _SPOILT[kind] for call in calls)
    named = [call["params"][0] for call in calls if call["method"] == "eth_getBlockByNumber"]
    if kind == "no_tags":
        return any(name in {"safe", "finalized"} for name in named)
    if kind in {"no_block", "wrong_block"}:
        return bool(named)
    return True


def _is_range(call: Call) -> bool:
    return call["method"] == "eth_getLogs" and "blockHash" not in call["params"][0]


def _is_block(call: Call) -> bool:
    return call["method"] == "eth_getLogs" and "blockHash" in call["params"][0]


def _listed(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


def _error(number: int | None, code: int, message: str) -> Answer:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
