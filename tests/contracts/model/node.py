"""A chain of its own for the models: every call at an exact second, its error by name, its events by field."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from eth_abi import decode, encode
from eth_utils import keccak

from tests.contracts.model.typed import Sig

GAS = 6_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One log of a contract under test."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a transaction did: an error, or events."""

    error: tuple[str, tuple[Any, ...]] | None
    events: tuple[Event, ...] = ()


def plain(value: Any) -> Any:
    """Turn model values into what the ABI coder takes."""
    if isinstance(value, Sig):
        return value.raw
    if hasattr(value, "packed"):
        return value.packed()
    if hasattr(value, "tuple"):
        return plain(value.tuple())
    if isinstance(value, (list, tuple)):
        return tuple(plain(part) for part in value)
    return value


def _kind(entry: dict[str, Any]) -> str:
    if entry["type"].startswith("tuple"):
        return "(" + ",".join(_kind(part) for part in entry["components"]) + ")" + entry["type"][5:]
    return str(entry["type"])


@dataclass(slots=True)
class Contract:
    """Address and ABI of a contract."""

    name: str
    address: str
    abi: list[dict[str, Any]]
    functions: dict[str, tuple[bytes, list[str], list[str]]] = field(init=False)
    events: dict[bytes, dict[str, Any]] = field(init=False)
    errors: dict[bytes, tuple[str, list[str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.functions, self.events, self.errors = {}, {}, {}
        for entry in self.abi:
            inputs = [_kind(part) for part in entry.get("inputs", [])]
            hashed = keccak(text=f"{entry.get('name', '')}({','.join(inputs)})")
            if entry["type"] == "function":
                outputs = [_kind(part) for part in entry["outputs"]]
                self.functions.setdefault(entry["name"], (hashed[:4], inputs, outputs))
            elif entry["type"] == "event":
                self.events[hashed] = entry
            elif entry["type"] == "error":
                self.errors[hashed[:4]] = (entry["name"], inputs)

    def encode(self, name: str, arguments: tuple[Any, ...]) -> str:
        """Calldata of a call."""
        selector, inputs, _ = self.functions[name]
        return "0x" + (selector + encode(inputs, plain(arguments))).hex()

    def selector(self, error: str) -> bytes:
        """Selector of an error."""
        return next(key for key, (name, _) in self.errors.items() if name == error)

    def event(self, log: dict[str, Any]) -> Event:
        """Decode one log."""
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        entry = self.events[topics[0]]
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        others = [part for part in entry["inputs"] if not part["indexed"]]
        data = decode([_kind(part) for part in others], bytes.fromhex(log["data"][2:]))
        values = {part["name"]: value for part, value in zip(others, data, strict=True)}
        for part, topic in zip(indexed, topics[1:], strict=True):
            values[part["name"]] = decode([_kind(part)], topic)[0]
        return Event(entry["name"], values)


class Node:
    """JSON-RPC to one anvil over one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        self.known: dict[str, Contract] = {}
        self.watched: set[str] = set()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _post(self, body: Any) -> Any:
        self._connection.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of one call."""
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def add(self, contract: Contract, *, watched: bool = True) -> Contract:
        """Make a contract's errors known, and its events if they are watched."""
        self.known[contract.address] = contract
        if watched:
            self.watched.add(contract.address)
        return contract

    def deploy(self, sender: str, code: bytes, kinds: list[str], values: tuple[Any, ...]) -> str:
        """Deploy and return the address."""
        data = "0x" + (code + encode(kinds, values)).hex()
        receipt = self._mined({"from": sender, "data": data, "gas": hex(25_000_000)})
        assert receipt["status"] == "0x1", "deployment failed"
        return str(receipt["contractAddress"])

    def now(self) -> int:
        """Time of the newest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def _mined(self, request: dict[str, Any]) -> dict[str, Any]:
        sent = self.rpc("eth_sendTransaction", request)
        while True:
            receipt = self.rpc("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return dict(receipt)

    def send(self, sender: str, contract: Contract, name: str, arguments: tuple[Any, ...], at: int) -> Answer:
        """Send a call in a block at second `at`."""
        self.rpc("evm_setNextBlockTimestamp", at)
        request = {"from": sender, "to": contract.address, "data": contract.encode(name, arguments), "gas": hex(GAS)}
        receipt = self._mined(request)
        if receipt["status"] == "0x1":
            logs = [log for log in receipt["logs"] if log["address"] in self.watched]
            return Answer(None, tuple(self.known[log["address"]].event(log) for log in logs))
        before = hex(int(receipt["blockNumber"], 16) - 1)
        answer = self._post(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [request, before, {}, {"time": hex(at)}]}
        )
        assert "error" in answer, f"{name} reverted in its block, and does not when asked about it"
        return Answer(self._error(bytes.fromhex(answer["error"].get("data", "0x")[2:])))

    def _error(self, data: bytes) -> tuple[str, tuple[Any, ...]]:
        ours = [contract for address, contract in self.known.items() if address in self.watched]
        for contract in (*ours, *self.known.values()):
            found = contract.errors.get(data[:4])
            if found:
                name = found[0] if contract.address in self.watched else contract.name
                return name, decode(found[1], data[4:])
        return "unknown", (data,)

    def views(self, calls: list[tuple[Contract, str, tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """Answers of many views at the newest block."""
        body = [
            {"jsonrpc": "2.0", "id": index, "method": "eth_call",
             "params": [{"to": contract.address, "data": contract.encode(name, arguments)}, "latest"]}
            for index, (contract, name, arguments) in enumerate(calls)
        ]  # fmt: skip
        answers = {answer["id"]: answer for answer in self._post(body)}
        found = []
        for index, (contract, name, _) in enumerate(calls):
            assert "result" in answers[index], f"{name}: {answers[index]}"
            found.append(tuple(decode(contract.functions[name][2], bytes.fromhex(answers[index]["result"][2:]))))
        return found
