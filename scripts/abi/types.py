"""Solidity types as the generators see them: how a value is annotated, written and read in Python."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ARRAY = re.compile(r"(.*)\[(\d*)\]")


def snake(name: str) -> str:
    """Return the snake_case of a Solidity name; a Python keyword gets a trailing underscore."""
    plain = name.replace("-", "_").strip("_")
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", plain))
    lowered = re.sub(r"_+", "_", parts).lower()
    return f"{lowered}_" if keyword.iskeyword(lowered) else lowered


def class_name(name: str) -> str:
    """Return the class name of a Solidity name: `Escrow_WrongStatus` is `EscrowWrongStatus`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@dataclass(frozen=True, slots=True)
class Type:
    """A Solidity type. `fields` belong to a struct, `item` to an array."""

    solidity: str
    struct: str | None = None
    fields: tuple[Field, ...] = ()
    item: Type | None = None

    @property
    def is_static(self) -> bool:
        """Whether every value is a fixed number of words without arrays."""
        if self.struct:
            return all(part.type.is_static for part in self.fields)
        return self.item is None and self.solidity not in {"bytes", "string"}

    @property
    def words(self) -> int:
        """The number of words of a static type."""
        return sum(part.type.words for part in self.fields) if self.struct else 1

    @property
    def bits(self) -> int:
        """The number in the name: 96 of uint96, 32 of bytes32."""
        return int(re.sub(r"\D", "", self.solidity) or 256)

    @property
    def canonical(self) -> str:
        """The type as it stands in a function signature."""
        if self.item is not None:
            return self.item.canonical + self.solidity[self.solidity.rindex("[") :]
        return f"({','.join(part.type.canonical for part in self.fields)})" if self.struct else self.solidity

    @property
    def annotation(self) -> str:
        """The Python type of a value."""
        if self.item is not None:
            return f"tuple[{self.item.annotation}, ...]"
        if self.struct:
            return self.struct
        if self.solidity in {"bool", "string"}:
            return {"bool": "bool", "string": "str"}[self.solidity]
        return "int" if "int" in self.solidity else "bytes"

    def structs(self) -> Iterator[Type]:
        """Yield the structs of this type, inner ones first."""
        if self.item is not None:
            yield from self.item.structs()
        for part in self.fields:
            yield from part.type.structs()
        if self.struct:
            yield self

    def write(self, value: str) -> str:
        """Return the expression of the words of a static value."""
        if self.struct:
            return f"{value}.encode()"
        if self.solidity == "address":
            return f"word_address({value})"
        if self.solidity == "bool":
            return f"word_bool({value})"
        kind = "bytes" if self.solidity.startswith("bytes") else self.solidity.rstrip("0123456789")
        return f"word_{kind}({value}, {self.bits})"

    def read(self, data: str, at: str) -> str:
        """Return the expression that reads a static value at a byte offset."""
        if self.struct:
            return f"{self.struct}.read({data}, {at})"
        if self.solidity in {"address", "bool"}:
            return f"read_{self.solidity}({data}, {at})"
        kind = "bytes" if self.solidity.startswith("bytes") else self.solidity.rstrip("0123456789")
        return f"read_{kind}({data}, {at}, {self.bits})"

    def to_abi(self, value: str) -> str:
        """Return the expression of what the dynamic encoder takes."""
        if self.item is not None:
            inner = self.item.to_abi("item")
            return f"list({value})" if inner == "item" else f"[{inner} for item in {value}]"
        if self.struct:
            return f"({', '.join(part.type.to_abi(f'{value}.{part.attribute}') for part in self.fields)},)"
        return value

    def from_abi(self, value: str) -> str:
        """Return the expression of the value the dynamic decoder gave."""
        if self.item is not None:
            inner = self.item.from_abi("item")
            return f"tuple({value})" if inner == "item" else f"tuple({inner} for item in {value})"
        if self.struct:
            return f"{self.struct}.from_abi({value})"
        return f"address_from_abi({value})" if self.solidity == "address" else value


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a struct, event, error or call."""

    name: str
    type: Type
    indexed: bool = False

    @property
    def attribute(self) -> str:
        """The Python name."""
        return snake(self.name)


def parse(raw: dict[str, Any]) -> Type:
    """Return the type of one ABI parameter."""
    return _parse(raw["type"], raw)


def _parse(solidity: str, raw: dict[str, Any]) -> Type:
    array = _ARRAY.fullmatch(solidity)
    if array:
        return Type(solidity, item=_parse(array[1], raw))
    if solidity == "tuple":
        internal = raw["internalType"].partition("[")[0].removeprefix("struct ")
        return Type(solidity, struct=class_name(internal.rpartition(".")[2]), fields=fields_of(raw["components"]))
    return Type(solidity)


def fields_of(raw: list[dict[str, Any]]) -> tuple[Field, ...]:
    """Return the fields of a list of ABI parameters; unnamed ones are `value_0`, `value_1`, ..."""
    return tuple(
        Field(part["name"] or f"value_{index}", parse(part), bool(part.get("indexed")))
        for index, part in enumerate(raw)
    )
