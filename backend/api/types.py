"""JSON spellings of our value types, shared by every schema."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from aicp.rules.primitives import (
    Finality,
    checksum,
    hex0x,
    parse_address,
    parse_bytes,
    parse_hash,
    parse_units,
)

MAX_SIGNATURE_BYTES: Final = 8192
"""Room for contract wallets of a hundred owners."""


def _from_text(parse: Callable[[str], object]) -> BeforeValidator:
    def convert(value: object) -> object:
        return parse(value) if isinstance(value, str) else value

    return BeforeValidator(convert)


def _only_text(value: object) -> object:
    if isinstance(value, float | bool):
        raise ValueError("amounts are decimal strings of base units")  # noqa: TRY004  # what pydantic collects
    return parse_units(value) if isinstance(value, str) else value


def _not_too_long(signature: bytes) -> bytes:
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise ValueError(f"a signature has at most {MAX_SIGNATURE_BYTES} bytes")
    return signature


def _utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC)


AddressText = Annotated[
    bytes,
    _from_text(parse_address),
    PlainSerializer(checksum, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$", "title": "EIP-55 address"}),
]
HashText = Annotated[
    bytes,
    _from_text(parse_hash),
    PlainSerializer(hex0x, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-f]{64}$", "title": "32 bytes as hex"}),
]
BytesText = Annotated[
    bytes,
    _from_text(parse_bytes),
    PlainSerializer(hex0x, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$", "title": "bytes as hex"}),
]
SignatureText = Annotated[
    bytes,
    _from_text(parse_bytes),
    AfterValidator(_not_too_long),
    PlainSerializer(hex0x, return_type=str),
    WithJsonSchema(
        {
            "type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$", "maxLength": 2 + 2 * MAX_SIGNATURE_BYTES,
            "title": "signature as hex",
        }
    ),
]  # fmt: skip
"""A signature somebody hands in: of a key, or whatever a contract wallet takes for one."""
UnitsText = Annotated[
    int,
    BeforeValidator(_only_text),
    Field(ge=0, lt=2**96),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "title": "base units of USDC"}),
]
"""Amounts that fit the contracts' uint96."""
Nonce = Annotated[int, Field(ge=0, lt=2**63, title="nonce")]
PoolNonce = Annotated[int, Field(ge=0, lt=2**24, title="nonce of a pool")]
"""Fits the contract's uint24."""
UnixTime = Annotated[int, Field(ge=0, lt=2**40, title="unix seconds")]
UtcTime = Annotated[dt.datetime, AfterValidator(_utc)]


class Model(BaseModel):
    """Base of all schemas: unknown fields are refused, so a misspelt field is never silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainRef(Model):
    """Where on the chain a statement comes from, and how final it is."""

    block_number: int
    block_hash: HashText
    tx_hash: HashText
    log_index: int
    finality: Finality


Item = TypeVar("Item")


class Page(Model, Generic[Item]):
    """One page; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None
