"""What the tracer tells becomes accesses, or is refused."""

from __future__ import annotations

import pytest

from scripts.gas.pricing import Load, Store, Touch, UnpriceableError
from scripts.gas.trace import accesses_of

TOKEN = "0x" + "11" * 20


def test_reads_writes_and_calls_in_their_order() -> None:
    rows = [
        ["SLOAD", TOKEN, "a", "0", 9_000, 6_900],
        ["DELEGATECALL", TOKEN, "ffff", "22" * 20, 6_000, 5_000],
        ["SSTORE", TOKEN, "a", "1f", 5_000, 2_100],
        ["EXTCODESIZE", TOKEN, "33" * 20, "0", 2_000, 1_900],
        ["STATICCALL", TOKEN, "ffff", "1", 1_000, 900],
    ]
    slot = (b"\x11" * 20, 10)
    assert accesses_of(rows) == (
        Load(slot, 2_100),
        Touch(b"\x22" * 20),
        Store(slot, 31, 2_900),
        Touch(b"\x33" * 20),
        Touch(bytes(19) + b"\x01"),
    )


@pytest.mark.parametrize("row", [["REVERT", TOKEN, "0", "0", 9, 9], ["CREATE2", TOKEN, "0", "0", 9, 9], ["FAULT"]])
def test_what_cannot_be_priced_by_accesses_is_refused(row: list[str | int]) -> None:
    with pytest.raises(UnpriceableError, match=str(row[0])):
        accesses_of([row])
