"""A nonce no contract could have is refused where it is read, before anything is computed with it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backend.payments.schemas import PoolWithdrawIn
from backend.wallet.schemas import WithdrawalIn

_COMMON = {"amount_units": "1", "valid_until": 1, "signature": "0x" + "11" * 65}


@pytest.mark.parametrize(
    ("schema", "more", "highest"),
    [(PoolWithdrawIn, {}, 2**24 - 1), (WithdrawalIn, {"to": "0x" + "00" * 19 + "01"}, 2**63 - 1)],
)
def test_a_nonce_fits_its_contract(schema: Any, more: dict[str, Any], highest: int) -> None:
    assert schema.model_validate({**_COMMON, **more, "nonce": highest}).nonce == highest
    for nonce in (-1, highest + 1, 10**100):
        with pytest.raises(ValidationError) as refused:
            schema.model_validate({**_COMMON, **more, "nonce": nonce})
        assert [error["loc"] for error in refused.value.errors()] == [("nonce",)]
