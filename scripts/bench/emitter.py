"""A contract that says what it is told: it stands at the contracts' addresses and repeats the logs of its calldata.

Real calls would make the same logs, at a hundred times the cost: what is measured here is who reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scripts.bench.traffic import Event

_HEAD: Final = 3
"""Bytes before a log's topics: how many there are (1), and the length of the data (2)."""


def calldata(events: Iterable[Event]) -> bytes:
    """Return what makes the emitter repeat these logs, in order."""
    parts: list[bytes] = []
    for event in events:
        parts += (bytes([len(event.topics)]), len(event.data).to_bytes(2, "big"), *event.topics, event.data)
    return b"".join(parts)


def runtime_code() -> bytes:
    """Return the emitter's code."""
    # stack at `loop`: [position]
    loop = _code("JUMPDEST CALLDATASIZE DUP2 LT PUSH2", "read", "JUMPI STOP")
    read = _code(
        "JUMPDEST DUP1 CALLDATALOAD",  # [head, position]
        "DUP1 PUSH0 BYTE SWAP1 PUSH1", 232, "SHR PUSH2", b"\xff\xff", "AND",  # [length, count, position]
        "DUP2 PUSH1", 5, "SHL DUP4 ADD PUSH1", _HEAD, "ADD",  # [data, length, count, position]
        "DUP2 DUP2 PUSH0 CALLDATACOPY",
    )  # fmt: skip
    branches: list[tuple[str, _Part]] = []
    for count in range(1, 5):
        read += _code("DUP3 PUSH1", count, "EQ PUSH2", f"log{count}", "JUMPI")
        body: _Part = ["JUMPDEST"]
        for pushed, topic in enumerate(reversed(range(count))):
            body += [f"DUP{4 + pushed} PUSH1", _HEAD + 32 * topic, "ADD CALLDATALOAD"]
        # [topics..., data, length, count, position] -> [data + length]
        body += [f"DUP{count + 2} PUSH0 LOG{count} ADD SWAP2 POP POP PUSH2", "loop", "JUMP"]
        branches.append((f"log{count}", body))
    read += _code("STOP")
    named = [(name, _code(*body)) for name, body in branches]
    return _link([("start", _code("PUSH0")), ("loop", loop), ("read", read), *named])


_OPCODES: Final = {
    "STOP": 0x00, "ADD": 0x01, "LT": 0x10, "EQ": 0x14, "AND": 0x16, "BYTE": 0x1A, "SHL": 0x1B, "SHR": 0x1C,
    "CALLDATALOAD": 0x35, "CALLDATASIZE": 0x36, "CALLDATACOPY": 0x37, "POP": 0x50, "JUMP": 0x56, "JUMPI": 0x57,
    "JUMPDEST": 0x5B, "PUSH0": 0x5F, "PUSH1": 0x60, "PUSH2": 0x61,
    **{f"DUP{n}": 0x7F + n for n in range(1, 17)}, **{f"SWAP{n}": 0x8F + n for n in range(1, 17)},
    **{f"LOG{n}": 0xA0 + n for n in range(5)},
}  # fmt: skip
_LABELS: Final = frozenset(("loop", "read", "log1", "log2", "log3", "log4"))

_Part = list[str | bytes | int]


def _code(*words: str | bytes | int) -> _Part:
    found: _Part = []
    for word in words:
        found += word.split() if isinstance(word, str) else [word]
    return found


def _link(parts: list[tuple[str, _Part]]) -> bytes:
    """Turn mnemonics into bytes; a label stands for the place its part begins at."""
    places: dict[str, int] = {}
    at = 0
    for name, words in parts:
        places[name] = at
        at += sum(_size(word) for word in words)
    return b"".join(_bytes(word, places) for _, words in parts for word in words)


def _size(word: str | bytes | int) -> int:
    if isinstance(word, bytes):
        return len(word)
    return 2 if word in _LABELS else 1


def _bytes(word: str | bytes | int, places: dict[str, int]) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, int):
        return bytes([word])
    return places[word].to_bytes(2, "big") if word in _LABELS else bytes([_OPCODES[word]])
