"""The JSON spellings of our value types, and the base of every answer."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from aicp.client.errors import Mismatch
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_bytes, parse_hash, parse_units


def _units(value: object) -> int:
    if isinstance(value, str):
        return parse_units(value)
    if type(value) is int and value >= 0:
        return value
    raise ValueError("amounts are decimal strings of base units")


def _address(value: object) -> object:
    return parse_address(value) if isinstance(value, str) else value


def _hash(value: object) -> object:
    return parse_hash(value) if isinstance(value, str) else value


def _bytes(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


Address = Annotated[bytes, BeforeValidator(_address), PlainSerializer(checksum, return_type=str)]
Hash = Annotated[bytes, BeforeValidator(_hash), PlainSerializer(hex0x, return_type=str)]
Signature = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(hex0x, return_type=str)]
Units = Annotated[int, BeforeValidator(_units), PlainSerializer(str, return_type=str)]


class Model(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Read an answer of the service. Raises Mismatch when it is not of this shape."""
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Mismatch(f"The service answered no proper {cls.__name__}: {where}: {first['msg']}.") from error


Item = TypeVar("Item")


class Page(Model, Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    items: list[Item]
    next_cursor: str | None = None
