"""EIP-712 written from the standard's text, so that a digest here owes nothing to the contracts or their bindings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey
from eth_abi import encode
from eth_utils import keccak

DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def fields_of(type_string: str) -> list[str]:
    """Types of the fields of the first struct in an EIP-712 type string."""
    inner = re.match(r"\w+\(([^)]*)\)", type_string)
    assert inner, type_string
    return [part.split(" ")[0] for part in inner[1].split(",")]


def struct_hash(type_string: str, *values: Any) -> bytes:
    """hashStruct of a struct; a field that is an array of structs is given as the list of their hashes."""
    kinds, words = ["bytes32"], [keccak(text=type_string)]
    for kind, value in zip(fields_of(type_string), values, strict=True):
        if kind.endswith("[]"):
            kinds.append("bytes32")
            words.append(keccak(b"".join(value)))
        elif kind == "string":
            kinds.append("bytes32")
            words.append(keccak(text=value))
        else:
            kinds.append(kind)
            words.append(value)
    return keccak(encode(kinds, words))


@dataclass(frozen=True, slots=True)
class Domain:
    """A contract's signing domain."""

    name: str
    version: str
    chain_id: int
    contract: str

    def digest(self, type_string: str, *values: Any) -> bytes:
        """What a key signs for one message."""
        separator = struct_hash(DOMAIN, self.name, self.version, self.chain_id, self.contract)
        return keccak(b"\x19\x01" + separator + struct_hash(type_string, *values))


@dataclass(frozen=True, slots=True)
class Sig:
    """A signature as the models see it: who signed which digest. `signer` None is a signature of nobody."""

    signer: str | None
    digest: bytes
    raw: bytes

    def by(self, account: str, digest: bytes) -> bool:
        """True if it counts as the account's for this digest."""
        return self.signer == account and self.digest == digest

    @property
    def given(self) -> bool:
        """False for the empty signature that means "none"."""
        return bool(self.raw)


NO_SIG = Sig(None, b"", b"")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Private keys by address."""

    keys: dict[str, bytes]

    def sign(self, account: str, digest: bytes) -> Sig:
        """65 bytes r, s, v."""
        raw = PrivateKey(self.keys[account]).sign_recoverable(digest, hasher=None)
        return Sig(account, digest, raw[:64] + bytes([27 + raw[64]]))

    def twin(self, account: str, digest: bytes) -> Sig:
        """The malleable twin of a signature: it recovers to the account and must not count."""
        raw = self.sign(account, digest).raw
        other = ORDER - int.from_bytes(raw[32:64], "big")
        return Sig(None, digest, raw[:32] + other.to_bytes(32, "big") + bytes([55 - raw[64]]))
