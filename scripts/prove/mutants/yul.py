"""The changes of inline assembly: builtins become their counterparts, literals their neighbours, statements vanish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.prove.mutants.model import Span

_COUNTERPARTS = {
    "add": "sub",
    "sub": "add",
    "mul": "div",
    "div": "mul",
    "mod": "div",
    "and": "or",
    "or": "and",
    "xor": "or",
    "shl": "shr",
    "shr": "shl",
    "sar": "shl",
    "gt": "lt",
    "lt": "gt",
    "sgt": "slt",
    "slt": "sgt",
    "sload": "tload",
    "tload": "sload",
    "staticcall": "delegatecall",
}


def yul_changes(node: Mapping[str, Any], source: bytes) -> Iterator[tuple[Span, str]]:
    """Yield what is replaced, by what, for a node of a Yul tree and everything in it."""
    yield from _changes(node, source)
    for name, value in node.items():
        if name == "nativeSrc":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict) and "nodeType" in child:
                yield from yul_changes(child, source)


def _changes(node: Mapping[str, Any], source: bytes) -> Iterator[tuple[Span, str]]:
    kind, (start, end) = node["nodeType"], _span(node)
    if kind in {"YulExpressionStatement", "YulAssignment"}:
        yield (start, end), ""
    elif kind == "YulIf":
        for constant in ("0", "1"):
            yield _span(node["condition"]), constant
    elif kind == "YulFunctionCall":
        yield from _call(node, source)
    elif kind == "YulLiteral" and node["kind"] == "number":
        text = source[start:end].decode()
        value = int(text, 0)
        for other in sorted({0, value + 1, max(value - 1, 0)} - {value}):
            yield (start, end), f"{other:#x}" if text.startswith("0x") else str(other)


def _call(node: Mapping[str, Any], source: bytes) -> Iterator[tuple[Span, str]]:
    name, (start, end) = node["functionName"]["name"], _span(node)
    arguments = source[_span(node["functionName"])[1] : end].decode()
    if name in _COUNTERPARTS:
        other = _COUNTERPARTS[name]
        yield (start, end), other + arguments
    elif name == "eq":
        yield (start, end), f"iszero(eq{arguments})"
    elif name == "iszero":
        inner = _span(node["arguments"][0])
        yield (start, end), source[inner[0] : inner[1]].decode()


def _span(node: Mapping[str, Any]) -> Span:
    start, length, _ = (int(part) for part in node["src"].split(":"))
    return start, start + length
