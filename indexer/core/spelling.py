"""Decoded values in their JSON spelling, as rows and answers show them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from aicp.rules.primitives import checksum

_checksum = lru_cache(maxsize=4_096)(checksum)


def spelled(value: Any) -> Any:
    """Return a decoded event value in its JSON spelling: addresses EIP-55, other bytes 0x-hex, integers decimal."""
    kind = type(value)
    return (_SPELLINGS.get(kind) or _spelling(kind))(value)


def _as_is(value: Any) -> Any:
    return value


def _bytes_spelled(value: bytes) -> str:
    return _checksum(value) if len(value) == 20 else f"0x{value.hex()}"


def _text_spelled(value: str) -> str:
    return value.replace("\0", "\ufffd")  # the database takes no such character


def _list_spelled(value: Iterable[Any]) -> list[Any]:
    return [spelled(item) for item in value]


_SPELLINGS: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bool: _as_is,
    bytes: _bytes_spelled,
    int: int.__repr__,
    str: _text_spelled,
    tuple: _list_spelled,
    list: _list_spelled,
}
"""How values of a type are spelled; other types are added when they are first met."""


def _spelling(kind: type[Any]) -> Callable[[Any], Any]:
    """Return how a type that is not in the table is spelled; a struct by its fields, without its constants."""
    found = next((rule for known, rule in _SPELLINGS.items() if issubclass(kind, known)), _as_is)
    if is_dataclass(kind) or issubclass(kind, msgspec.Struct):
        names = (
            kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else tuple(each.name for each in fields(kind))
        )

        def struct_spelled(value: Any) -> dict[str, Any]:
            spelling: dict[str, Any] = {}
            for name in names:
                item = getattr(value, name)
                kind = type(item)
                spelling[name] = (_SPELLINGS.get(kind) or _spelling(kind))(item)
            return spelling

        found = struct_spelled
    return _SPELLINGS.setdefault(kind, found)
