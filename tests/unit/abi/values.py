"""Random values of any ABI type, in the form the generated modules take and in the form eth_abi takes."""

from __future__ import annotations

import random
import sys
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, get_args, get_type_hints

from eth_abi import abi as eth_abi


def canonical(part: dict[str, Any]) -> str:
    """Return the type of an ABI parameter as eth_abi writes it."""
    if part["type"].startswith("tuple"):
        inner = ",".join(canonical(component) for component in part["components"])
        return f"({inner}){part['type'][len('tuple') :]}"
    return str(part["type"])


def plain(rng: random.Random, part: dict[str, Any]) -> Any:
    """Return a random value as eth_abi takes it; addresses are bytes."""
    kind = part["type"]
    if kind.endswith("[]"):
        return [plain(rng, part | {"type": kind[:-2]}) for _ in range(rng.randrange(4))]
    if kind == "tuple":
        return tuple(plain(rng, component) for component in part["components"])
    if kind == "address":
        return rng.randbytes(20)
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "string":
        return "é" * rng.randrange(40)
    if kind == "bytes":
        return rng.randbytes(rng.randrange(100))
    if kind.startswith("bytes"):
        return rng.randbytes(int(kind[5:]))
    bits = int(kind.removeprefix("uint"))
    return rng.choice((0, 1, 2**bits - 1, rng.getrandbits(bits)))


def names_of(annotation: Any) -> tuple[str, ...] | None:
    """Return the names of the fields of a struct or a typed message; None for any other type."""
    if is_dataclass(annotation):
        return tuple(field.name for field in fields(annotation))
    return getattr(annotation, "__struct_fields__", None)


def typed(value: Any, annotation: Any) -> Any:
    """Return a plain value as the annotation of a generated module wants it."""
    names = names_of(annotation)
    if names is not None:
        hints = get_type_hints(annotation, vars(sys.modules[annotation.__module__]))
        return annotation(*(typed(v, hints[name]) for v, name in zip(value, names, strict=True)))
    if isinstance(value, list):
        return tuple(typed(item, get_args(annotation)[0]) for item in value)
    return value


def encoded(parts: list[dict[str, Any]], values: list[Any]) -> bytes:
    """Encode with eth_abi, which the generated encoders do not use for static types."""
    return eth_abi.encode([canonical(part) for part in parts], values)


def hints_of(module: ModuleType, name: str) -> dict[str, Any]:
    """Return the resolved annotations of a function or class of a generated module."""
    return get_type_hints(getattr(module, name))
