"""What the voucher engine says of a refusal is told, also where it says more than the title."""

from __future__ import annotations

import pytest

from backend.payments.outcomes import TITLE, Code, Refused
from backend.payments.voucher_api import VoucherProblem


@pytest.mark.parametrize(
    ("extra", "detail"), [({}, TITLE[Code.MALFORMED]), ({"detail": "Other parties."}, "Other parties.")]
)
def test_a_refusal_keeps_its_own_sentence(extra: dict[str, str], detail: str) -> None:
    problem = VoucherProblem(Refused(Code.MALFORMED, extra))
    assert problem.body()["detail"] == detail
    assert problem.body()["code"] == Code.MALFORMED.value
