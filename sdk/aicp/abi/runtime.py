# ruff: noqa: N818 - a contract error is a value here, not an exception
"""What the generated modules are made of: words, strict readers, typed messages and contract errors.

Words are 32 bytes, big endian, exactly as a contract sees them. Readers refuse what no contract would write (a dirty
padding byte, a bool of 2, a missing word), so two different byte strings never decode to one value.

Only dynamic values and the JSON of a typed message need eth_abi and eth_utils, which take longer to import than all of
our own modules: they are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import msgspec
from eth_hash.backends.pysha3 import keccak256

_PADDING: Final = bytes(32)
_ADDRESS_PADDING: Final = bytes(12)
_DOMAIN_FIELDS: Final = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_DOMAIN_TYPE_HASH: Final = keccak256(_DOMAIN_FIELDS.encode())
_UNVERSIONED_TYPE_HASH: Final = keccak256(_DOMAIN_FIELDS.replace("string version,", "").encode())


big_endian: Final = int.from_bytes
"""The unsigned integer of big-endian bytes."""


def keccak(data: bytes) -> bytes:
    """Return the keccak-256 hash, by the fastest backend there is."""
    digest: bytes = keccak256(data)
    return digest


class AbiError(ValueError):
    """A value does not fit its type, in either direction."""


class EncodeError(AbiError):
    """A value does not fit the type it should be written as."""


class DecodeError(AbiError):
    """Bytes are not the canonical encoding of the expected types."""


def word_uint(value: int, bits: int) -> bytes:
    """Return the word of an unsigned integer. Raises EncodeError when it needs more than `bits` bits."""
    if value < 0 or value >> bits:
        raise EncodeError(f"{value} does not fit uint{bits}")
    return value.to_bytes(32, "big")


def word_int(value: int, bits: int) -> bytes:
    """Return the word of a signed integer. Raises EncodeError when it needs more than `bits` bits."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise EncodeError(f"{value} does not fit int{bits}")
    return value.to_bytes(32, "big", signed=True)


def word_address(value: bytes) -> bytes:
    """Return the word of a 20-byte address. Raises EncodeError."""
    if len(value) != 20:
        raise EncodeError(f"an address has 20 bytes, not {len(value)}")
    return _PADDING[:12] + value


def word_bytes(value: bytes, size: int) -> bytes:
    """Return the word of a `bytes<size>`. Raises EncodeError."""
    if len(value) != size:
        raise EncodeError(f"bytes{size} has {size} bytes, not {len(value)}")
    return value + _PADDING[size:]


def word_bool(value: bool) -> bytes:
    """Return the word of a bool."""
    return (b"\x01" if value else b"\x00").rjust(32, b"\x00")


def word_topic(value: bytes | str) -> bytes:
    """Return the hash that stands for a dynamic value in a topic or in typed data."""
    return keccak(value.encode() if isinstance(value, str) else value)


def _word(data: bytes, at: int) -> bytes:
    word = data[at : at + 32]
    if len(word) != 32:
        raise DecodeError(f"no word at byte {at}")
    return word


def read_uint(data: bytes, at: int, bits: int) -> int:
    """Read an unsigned integer at a byte offset. Raises DecodeError."""
    word = data[at : at + 32]
    value = int.from_bytes(word, "big")
    if len(word) != 32 or value >> bits:
        raise DecodeError(f"the word at byte {at} is not a uint{bits}")
    return value


def read_int(data: bytes, at: int, bits: int) -> int:
    """Read a signed integer at a byte offset. Raises DecodeError."""
    value = int.from_bytes(_word(data, at), "big", signed=True)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise DecodeError(f"the word at byte {at} is not an int{bits}")
    return value


def read_address(data: bytes, at: int) -> bytes:
    """Read a 20-byte address at a byte offset. Raises DecodeError."""
    word = data[at : at + 32]
    if len(word) != 32 or word[:12] != _ADDRESS_PADDING:
        raise DecodeError(f"the word at byte {at} is not an address")
    return word[12:]


def read_bytes(data: bytes, at: int, size: int) -> bytes:
    """Read a `bytes<size>` at a byte offset. Raises DecodeError."""
    word = data[at : at + 32]
    if len(word) != 32 or (size < 32 and any(word[size:])):
        raise DecodeError(f"the word at byte {at} is not a bytes{size}")
    return word if size == 32 else word[:size]


def read_bool(data: bytes, at: int) -> bool:
    """Read a bool at a byte offset. Raises DecodeError."""
    value = int.from_bytes(_word(data, at), "big")
    if value > 1:
        raise DecodeError(f"the word at byte {at} is not a bool")
    return value == 1


def expect_topics(topics: Sequence[bytes], topic: bytes, count: int) -> None:
    """Check the first topic, their number and their lengths. Raises DecodeError."""
    if len(topics) != count or topics[0] != topic:
        raise DecodeError("the topics are not those of this event")
    for value in topics:
        if len(value) != 32:
            raise DecodeError("a topic has 32 bytes")


def expect_length(data: bytes, length: int) -> None:
    """Check the length of static data. Raises DecodeError."""
    if len(data) != length:
        raise DecodeError(f"expected {length} bytes, got {len(data)}")


def expect_selector(data: bytes, selector: bytes) -> bytes:
    """Return what follows a 4-byte selector. Raises DecodeError when it is another one."""
    if data[:4] != selector:
        raise DecodeError("the selector is another one")
    return data[4:]


def encode_dynamic(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Encode values of which at least one is dynamic. Raises EncodeError."""
    from eth_abi import abi as eth_abi
    from eth_abi.exceptions import EncodingError

    try:
        return eth_abi.encode(types, values)
    except (EncodingError, TypeError) as error:
        raise EncodeError(str(error)) from error


def decode_dynamic(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Decode values of which at least one is dynamic. Raises DecodeError, also when `data` is not canonical."""
    from eth_abi import abi as eth_abi
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = eth_abi.decode(types, data)
        canonical = eth_abi.encode(types, values)
    except (DecodingError, EncodingError, OverflowError, UnicodeDecodeError) as error:
        raise DecodeError(str(error)) from error
    if canonical != data:
        raise DecodeError("not the canonical encoding")
    return values


def address_from_abi(text: str) -> bytes:
    """Return the 20 bytes of an address the dynamic decoder has spelled as hex."""
    return bytes.fromhex(text[2:])


@dataclass(frozen=True, slots=True)
class Domain:
    """An EIP-712 domain; its separator is hashed once.

    `version` None is a domain without that field. `verifying_contract` is a 20-byte address.
    """

    name: str
    version: str | None
    chain_id: int
    verifying_contract: bytes
    _separator: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = (
            (_UNVERSIONED_TYPE_HASH if self.version is None else _DOMAIN_TYPE_HASH)
            + word_topic(self.name)
            + (b"" if self.version is None else word_topic(self.version))
            + word_uint(self.chain_id, 256)
            + word_address(self.verifying_contract)
        )
        object.__setattr__(self, "_separator", keccak(words))

    def separator(self) -> bytes:
        """Return the 32-byte domain separator."""
        return self._separator


class TypedMessage(msgspec.Struct, frozen=True, gc=False):
    """An EIP-712 message. Subclasses are generated; `FIELDS` holds (attribute, name, type) in signing order."""

    type_string: ClassVar[str]
    PRIMARY_TYPE: ClassVar[str]
    TYPE_HASH: ClassVar[bytes]
    FIELDS: ClassVar[tuple[tuple[str, str, str], ...]]
    NESTED: ClassVar[tuple[type[TypedMessage], ...]] = ()

    def encode(self) -> bytes:
        """Return the words of the fields. Raises EncodeError when a value does not fit its type."""
        raise NotImplementedError

    def struct_hash(self) -> bytes:
        """Return hashStruct of this message. Raises EncodeError when a value does not fit its type."""
        return keccak(self.TYPE_HASH + self.encode())

    def digest(self, domain: Domain) -> bytes:
        """Return the 32 bytes that are signed in `domain`. Raises EncodeError."""
        return keccak(b"\x19\x01" + domain.separator() + self.struct_hash())


def _checksum(address: bytes) -> str:
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)


def _json_value(value: Any, solidity_type: str) -> Any:
    if isinstance(value, TypedMessage):
        return _json_message(value)
    if isinstance(value, tuple):
        return [_json_value(item, solidity_type) for item in value]
    if solidity_type == "address":
        return _checksum(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    # a wallet reads numbers as doubles, so that a large one travels as text
    return str(value)


def _json_message(message: TypedMessage) -> dict[str, Any]:
    return {name: _json_value(getattr(message, attribute), kind) for attribute, name, kind in message.FIELDS}


def _json_fields(message: type[TypedMessage]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for _, name, kind in message.FIELDS]


def to_eip712(message: TypedMessage, domain: Domain) -> dict[str, Any]:
    """Return the `eth_signTypedData_v4` JSON of a message: integers as decimal strings, bytes as 0x-hex."""
    own = [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ]
    if domain.version is None:
        del own[1]
    types = {"EIP712Domain": own, message.PRIMARY_TYPE: _json_fields(type(message))}
    types |= {nested.PRIMARY_TYPE: _json_fields(nested) for nested in message.NESTED}
    return {
        "types": types,
        "primaryType": message.PRIMARY_TYPE,
        "domain": {
            "name": domain.name,
            **({} if domain.version is None else {"version": domain.version}),
            "chainId": domain.chain_id,
            "verifyingContract": _checksum(domain.verifying_contract),
        },
        "message": _json_message(message),
    }


class ContractError(msgspec.Struct, frozen=True, gc=False):
    """A decoded revert. `SIGNATURE` is its Solidity form, for instance `Stake_Unbonding(uint40)`."""

    SIGNATURE: ClassVar[str]
    SELECTOR: ClassVar[bytes]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode revert data, selector included. Raises DecodeError."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Return the Solidity name."""
        return self.SIGNATURE.partition("(")[0]

    def __str__(self) -> str:
        values = (getattr(self, name) for name in self.__struct_fields__)
        return f"{self.name}({', '.join('0x' + v.hex() if isinstance(v, bytes) else str(v) for v in values)})"


class RevertReason(ContractError, frozen=True, gc=False):
    """`Error(string)`: a revert with a sentence."""

    SIGNATURE: ClassVar[str] = "Error(string)"
    SELECTOR: ClassVar[bytes] = bytes.fromhex("08c379a0")
    reason: str

    @classmethod
    def decode(cls, data: bytes) -> Self:
        return cls(*decode_dynamic(("string",), expect_selector(data, cls.SELECTOR)))


class Panic(ContractError, frozen=True, gc=False):
    """`Panic(uint256)`: an assertion of the compiler, for instance 0x11 for an overflow."""

    SIGNATURE: ClassVar[str] = "Panic(uint256)"
    SELECTOR: ClassVar[bytes] = bytes.fromhex("4e487b71")
    code: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        body = expect_selector(data, cls.SELECTOR)
        expect_length(body, 32)
        return cls(read_uint(body, 0, 256))


BUILTIN_ERRORS: Final[dict[bytes, type[ContractError]]] = {cls.SELECTOR: cls for cls in (RevertReason, Panic)}


def decode_error_from(errors: dict[bytes, type[ContractError]], data: bytes) -> ContractError | None:
    """Return the error of revert data, or None when it is none of `errors`. Raises DecodeError when malformed."""
    found = errors.get(data[:4])
    return None if found is None else found.decode(data)
