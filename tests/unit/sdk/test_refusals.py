"""What a contract's refusal says on the command line."""

from __future__ import annotations

import pytest
from web3.exceptions import ContractCustomError

from aicp.abi import arbiter as abi
from aicp.client.direct import _decode


def refusal(selector: bytes, *values: int) -> str:
    data = "0x" + selector.hex() + "".join(value.to_bytes(32).hex() for value in values)
    return _decode(ContractCustomError(data, data=data))


@pytest.mark.parametrize(
    ("error", "values", "words"),
    [
        (abi.ArbiterInsufficientStake, (7, 1_000_000, 50_000_000), "has 1.00 USDC of stake, 50.00 USDC are needed"),
        (abi.ArbiterUnbonding, (7, 1_795_235_700), "the stake can be taken out after 2026-11-2"),
        (abi.ArbiterUnbonding, (7, 2**40 - 1), "the stake can be taken out after unix second 1099511627775"),
        (abi.ArbiterUnbonding, (7, 0), "no stake was asked back"),
        (abi.ArbiterNotFundable, (7, 1), "this side of the appeal cannot be paid for now"),
        (abi.ArbiterNothingDue, (7,), "nothing is due"),
        (abi.ArbiterAmountZero, (), "Arbiter_AmountZero()"),
    ],
)
def test_a_refusal_of_the_arbiter_is_a_sentence(
    error: type[abi.ArbiterUnbonding], values: tuple[int, ...], words: str
) -> None:
    assert words in refusal(error.SELECTOR, *values)
