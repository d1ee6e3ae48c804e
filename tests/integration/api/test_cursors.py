"""A cursor that is not of the list it is given to is malformed input, whatever it holds."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from tests.fixtures.apihost import Host, Wallet, code_of

ROW = str(uuid.UUID(int=7))
AGENT = "00" * 20
NOW = "2026-01-01T00:00:00+00:00"
MOMENTS: list[tuple[Any, str]] = [
    ({"t": NOW}, ROW), ({"t": NOW}, AGENT), ({"t": "2026-01-01T00:00:00"}, ROW), ({"t": "2026-01-01T00:00:00"}, AGENT),
    ({"t": "0001-01-01T00:00:00+23:59"}, ROW), ({"t": "0001-01-01T00:00:00+23:59"}, AGENT),
    ({"t": "9999-12-31T23:59:59-23:59"}, ROW), ({"t": "9999-12-31T23:59:59-23:59"}, AGENT), ({"t": 5}, ROW),
]  # fmt: skip
NUMBERS: list[tuple[Any, str]] = [
    ({"n": "5"}, ROW), ({"n": "5"}, AGENT), ({"n": "5"}, "00"), ({"n": "-5"}, ROW), ({"n": "9" * 200}, ROW),
    ({"n": "9" * 200}, AGENT), ({"n": str(2**63)}, ROW), ({"n": str(2**256)}, ROW), ({"n": float("inf")}, ROW),
    ({"n": float("nan")}, ROW), ({"n": None}, ROW), ({"n": "1\0"}, ROW),
]  # fmt: skip
OTHERS: list[tuple[Any, Any]] = [({}, ROW), ([], ROW), ("t", ROW), (5, ROW), (None, None), ({"t": NOW, "n": "5"}, [])]
EVERYTHING = [*MOMENTS, *NUMBERS, *OTHERS]

FIT = {
    "/tasks?sort=newest": [MOMENTS[0]], "/tasks?sort=ending": [MOMENTS[0]],
    "/tasks?sort=budget": [NUMBERS[0], NUMBERS[6]], "/agents?limit=5": [MOMENTS[1]], "/deals?limit=5": [MOMENTS[0]],
    "/transactions?limit=5": [MOMENTS[0]], "/receipts?limit=5": [MOMENTS[0]],
    "/reputation/leaderboard?limit=5": [NUMBERS[1]],
}  # fmt: skip
"""Lists whose cursors name a row by its id, and what fits them."""
NUMBERED = ["/notifications?limit=5", "/reputation/epochs?limit=5", "/agents/{agent}/reputation/history?limit=5"]
"""Lists whose cursors are the number of a row alone."""


def spelled(sort: Any, row: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, row]).encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def wallet(host: Host) -> Wallet:
    return host.wallet()


@pytest.mark.parametrize("path", FIT)
def test_a_cursor_of_another_list_or_order_is_refused(wallet: Wallet, path: str) -> None:
    for one in EVERYTHING:
        answer = wallet.http.get(f"{path}&cursor={spelled(*one)}")
        if one in FIT[path]:
            assert answer.status_code == 200, (one, answer.text)
        else:
            assert code_of(answer) == (422, "invalid_input"), one


@pytest.mark.parametrize("path", NUMBERED)
def test_a_cursor_without_a_number_of_a_row_is_refused(wallet: Wallet, path: str) -> None:
    url = path.format(agent="0x" + wallet.address.hex())
    for sort in ({"n": "5"}, {"n": str(2**63 - 1)}):
        assert wallet.http.get(f"{url}&cursor={spelled(sort, '')}").status_code == 200
    for one in [*MOMENTS, *NUMBERS[3:], *OTHERS[:-1]]:
        assert code_of(wallet.http.get(f"{url}&cursor={spelled(*one)}")) == (422, "invalid_input"), one


def test_the_log_of_a_webhook_takes_its_own_cursors_alone(wallet: Wallet) -> None:
    hook = wallet.http.post("/webhooks", json={"url": "https://example.com/hook"}).json()["id"]
    for one in EVERYTHING:
        answer = wallet.http.get(f"/webhooks/{hook}/dispatches?limit=5&cursor={spelled(*one)}")
        fits = one == NUMBERS[0]
        assert (answer.status_code == 200) if fits else code_of(answer) == (422, "invalid_input"), one


@pytest.mark.parametrize("cursor", ["", "x", "%00", "é", "W10", "bnVsbA", "e30", "A" * 400])
def test_what_is_no_cursor_at_all_is_refused(wallet: Wallet, cursor: str) -> None:
    assert code_of(wallet.http.get("/tasks", params={"cursor": cursor})) == (422, "invalid_input")
