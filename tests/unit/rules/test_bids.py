from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.rules.bids import bids_proof, bids_root, verify_bid
from aicp.rules.primitives import ZERO_HASH, keccak

hashes = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True)


def double(value: bytes) -> bytes:
    return keccak(keccak(value))


def test_small_trees_by_hand() -> None:
    one, two, three = (bytes([n]) * 32 for n in (1, 2, 3))
    assert bids_root([]) == ZERO_HASH
    assert bids_root([one]) == double(one)
    pair = keccak(b"".join(sorted([double(one), double(two)])))
    assert bids_root([two, one]) == pair
    # an odd leaf joins one level up: the tree is complete, its last leaves are the first hashes
    low = keccak(b"".join(sorted([double(two), double(one)])))
    assert bids_root([three, one, two]) == keccak(b"".join(sorted([low, double(three)])))


@given(hashes)
def test_every_bid_is_provable_and_the_order_does_not_matter(values: list[bytes]) -> None:
    root = bids_root(values)
    shuffled = sorted(values, key=keccak)
    assert bids_root(shuffled) == root == bids_root(values + values[:1])
    assert all(verify_bid(root, value, bids_proof(values, value)) for value in values)


@given(hashes, st.binary(min_size=32, max_size=32))
def test_a_missing_bid_has_no_proof(values: list[bytes], other: bytes) -> None:
    if other in values:
        return
    root = bids_root(values)
    with pytest.raises(ValueError, match="not among"):
        bids_proof(values, other)
    assert not any(verify_bid(root, other, bids_proof(values, value)) for value in values)


def test_a_short_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        bids_root([b"\x01"])
