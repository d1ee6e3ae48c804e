"""The fast path against eth_account, and every spelling of a signature that must not count."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.abi.signing import (
    InvalidKeyError,
    MalformedSignatureError,
    SignatureError,
    UnrecoverableSignatureError,
    address_of,
    from_compact,
    recover,
    sign,
    to_compact,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
DIGESTS = st.binary(min_size=32, max_size=32)
KEY = bytes(31) + b"\x2a"
DIGEST = bytes(range(32))


@settings(max_examples=60, deadline=None)
@given(KEYS, DIGESTS)
def test_agrees_with_eth_account(key: bytes, digest: bytes) -> None:
    signature = sign(digest, key)
    theirs = Account.unsafe_sign_hash(digest, key)
    assert signature == bytes(theirs.signature)
    address = recover(digest, signature)
    assert address == address_of(key) == bytes.fromhex(Account.from_key(key).address[2:])
    assert address == bytes.fromhex(Account._recover_hash(digest, signature=signature)[2:])
    assert from_compact(to_compact(signature)) == signature


def test_another_digest_or_key_is_another_address() -> None:
    signature = sign(DIGEST, KEY)
    assert recover(bytes(32), signature) != address_of(KEY)
    assert recover(DIGEST, sign(DIGEST, bytes(31) + b"\x2b")) != address_of(KEY)


def test_high_s_is_refused_although_it_would_recover() -> None:
    good = sign(DIGEST, KEY)
    s = ORDER - int.from_bytes(good[32:64], "big")
    twin = good[:32] + s.to_bytes(32, "big") + bytes((55 - good[64],))
    assert bytes.fromhex(Account._recover_hash(DIGEST, signature=twin)[2:]) == address_of(KEY)
    with pytest.raises(MalformedSignatureError):
        recover(DIGEST, twin)
    with pytest.raises(MalformedSignatureError):
        to_compact(twin)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_other_v_is_refused(v: int) -> None:
    with pytest.raises(MalformedSignatureError):
        recover(DIGEST, sign(DIGEST, KEY)[:64] + bytes((v,)))


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(64), bytes(65), bytes(66), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b"],
    ids=["empty", "short", "zero", "long", "zero with v", "out of range"],
)
def test_garbage_is_refused(signature: bytes) -> None:
    with pytest.raises(MalformedSignatureError):
        recover(DIGEST, signature)


def test_r_of_no_point_is_refused() -> None:
    # 5 is no x coordinate of the curve
    with pytest.raises(UnrecoverableSignatureError) as caught:
        recover(DIGEST, (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b")
    assert isinstance(caught.value, SignatureError)


@pytest.mark.parametrize("key", [b"", bytes(32), bytes(31), ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_bad_keys_are_refused(key: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        sign(DIGEST, key)
    with pytest.raises(InvalidKeyError):
        address_of(key)


def test_digest_length() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sign(b"short", KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        recover(b"short", sign(DIGEST, KEY))
