"""Events of our contracts as name and arguments, written to logs and read back by the contracts' own JSON ABI.

The generated readers of `aicp.abi` are part of what is tested, so neither side here uses them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import eth_abi

from aicp.rules.primitives import keccak

ARTIFACTS: Final = {
    "escrow": "Escrow",
    "payment_channel": "PaymentChannel",
    "reputation": "Reputation",
    "arbiter": "DisputeArbiter",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a contract, addresses and hashes as bytes, tuples as sequences."""

    contract: str
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How an event is laid out; `indexed` and `plain` are (name, type) in order."""

    name: str
    topic: bytes
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]


@cache
def shapes(contract: str) -> dict[str, Shape]:
    """Return the events of a contract by name."""
    path = files("aicp.abi").joinpath("artifacts", f"{ARTIFACTS[contract]}.json")
    found: dict[str, Shape] = {}
    for entry in json.loads(path.read_text(encoding="utf-8"))["abi"]:
        if entry["type"] != "event":
            continue
        inputs = [(part["name"], _spelled(part), part["indexed"]) for part in entry["inputs"]]
        signature = f"{entry['name']}({','.join(kind for _, kind, _ in inputs)})"
        found[entry["name"]] = Shape(
            name=entry["name"],
            topic=keccak(signature.encode()),
            indexed=tuple((name, kind) for name, kind, indexed in inputs if indexed),
            plain=tuple((name, kind) for name, kind, indexed in inputs if not indexed),
        )
    return found


@cache
def _by_topic(contract: str) -> dict[bytes, Shape]:
    return {shape.topic: shape for shape in shapes(contract).values()}


def encode(event: Event) -> tuple[tuple[bytes, ...], bytes]:
    """Return topics and data. A `string` may be given as bytes that are no UTF-8; contracts do not mind."""
    shape = shapes(event.contract)[event.name]
    topics = [eth_abi.encode([kind], [_given(kind, event.args[name])]) for name, kind in shape.indexed]
    values = [event.args[name] for name, _ in shape.plain]
    kinds = [
        "bytes" if kind == "string" and isinstance(value, bytes) else kind
        for (_, kind), value in zip(shape.plain, values, strict=True)
    ]
    data = eth_abi.encode(kinds, [_given(kind, value) for kind, value in zip(kinds, values, strict=True)])
    return (shape.topic, *topics), data


@lru_cache(maxsize=50_000)
def decode(contract: str, topics: tuple[bytes, ...], data: bytes) -> Event:
    """Return the event of a log. Raises KeyError for a topic that is none of this contract's."""
    shape = _by_topic(contract)[topics[0]]
    args = {name: _taken(kind, eth_abi.decode([kind], topic)[0]) for (name, kind), topic in _pairs(shape, topics)}
    kinds = ["bytes" if kind == "string" else kind for _, kind in shape.plain]
    for (name, kind), value in zip(shape.plain, eth_abi.decode(kinds, data), strict=True):
        args[name] = value.decode("utf-8", "replace") if kind == "string" else _taken(kind, value)
    return Event(contract, shape.name, args)


def _pairs(shape: Shape, topics: tuple[bytes, ...]) -> list[tuple[tuple[str, str], bytes]]:
    return list(zip(shape.indexed, topics[1:], strict=True))


def _spelled(part: Mapping[str, Any]) -> str:
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    inner = ",".join(_spelled(component) for component in part["components"])
    return f"({inner}){part['type'].removeprefix('tuple')}"


def _given(kind: str, value: Any) -> Any:
    """Addresses go into eth_abi as hex."""
    if kind == "address":
        return "0x" + value.hex()
    if kind.startswith("("):
        return tuple(_given(inner, item) for inner, item in zip(kind[1:-1].split(","), value, strict=True))
    return value


def _taken(kind: str, value: Any) -> Any:
    if kind == "address":
        return bytes.fromhex(value[2:])
    if kind.startswith("("):
        return tuple(_taken(inner, item) for inner, item in zip(kind[1:-1].split(","), value, strict=True))
    return value
