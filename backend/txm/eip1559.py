"""Type 2 transactions (EIP-1559) as bytes: what is signed, what is sent, and what was named in it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import rlp

from aicp.abi.runtime import keccak
from backend.txm.fees import Fees

AccessList: TypeAlias = tuple[tuple[bytes, tuple[bytes, ...]], ...]
"""Addresses with storage keys of 32 bytes that a transaction names beforehand (EIP-2930)."""

NOOP_GAS: Final = 21_000
_TYPE: Final = b"\x02"
_ACCESS_LIST: Final = 8
_FIELDS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a transaction does. `gas_limit` in gas units."""

    to: bytes
    data: bytes
    gas_limit: int
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """A raw transaction and its hash."""

    raw: bytes
    tx_hash: bytes


def nothing(account: bytes) -> Call:
    """Return the call that only uses a nonce up: nothing, sent to oneself."""
    return Call(to=account, data=b"", gas_limit=NOOP_GAS)


def signed(chain_id: int, nonce: int, call: Call, fees: Fees, sign: Callable[[bytes], bytes]) -> Signed:
    """Return the transaction signed by `sign`, which makes 65 bytes (r, s, v 27 or 28) of a digest."""
    fields: list[Any] = [
        _int(chain_id), _int(nonce), _int(fees.tip_wei), _int(fees.max_fee_wei), _int(call.gas_limit), call.to, b"",
        call.data, [[address, list(keys)] for address, keys in call.access_list],
    ]  # fmt: skip
    signature = sign(keccak(_TYPE + rlp.encode(fields)))
    r, s = (int.from_bytes(signature[start : start + 32]) for start in (0, 32))
    raw = _TYPE + rlp.encode([*fields, _int(signature[64] - 27), _int(r), _int(s)])
    return Signed(raw, keccak(raw))


def access_list_of(raw: bytes) -> AccessList:
    """Return the access list of a transaction this module has made. Raises ValueError for other bytes."""
    try:
        fields: Any = rlp.decode(raw[1:]) if raw[:1] == _TYPE else []
    except rlp.exceptions.DecodingError as error:
        raise ValueError("not a signed type 2 transaction") from error
    if len(fields) != _FIELDS:
        raise ValueError("not a signed type 2 transaction")
    return tuple((bytes(address), tuple(bytes(key) for key in keys)) for address, keys in fields[_ACCESS_LIST])


def _int(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)
