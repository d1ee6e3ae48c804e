from __future__ import annotations

import pytest

from aicp.rules.constants import known_chain_ids, network
from aicp.rules.primitives import parse_usdc
from aicp.rules.route import choose_path, micro_duration

CONSTANTS = network(137).constants


def route(price: str, *, task: bool = False, bid: bool = False, seconds: int = 3600) -> str:
    return choose_path(
        parse_usdc(price), task_escrow_only=task, bid_escrow_only=bid, duration_seconds=seconds, constants=CONSTANTS
    )


@pytest.mark.parametrize(("price", "path"), [("9.999999", "channel"), ("10.000000", "escrow"), ("10.000001", "escrow")])
def test_the_ten_dollar_boundary(price: str, path: str) -> None:
    assert route(price) == path


@pytest.mark.parametrize("chain_id", known_chain_ids())
def test_the_boundary_is_the_same_on_every_network(chain_id: int) -> None:
    constants = network(chain_id).constants
    paths = [
        choose_path(price, task_escrow_only=False, bid_escrow_only=False, duration_seconds=0, constants=constants)
        for price in (9_999_999, 10_000_000, 10_000_001)
    ]
    assert paths == ["channel", "escrow", "escrow"]


def test_either_side_may_ask_for_escrow() -> None:
    assert route("0.40") == "channel"
    assert route("0.40", task=True) == "escrow"
    assert route("0.40", bid=True) == "escrow"


def test_a_task_too_long_for_a_pool_takes_escrow() -> None:
    assert route("0.40", seconds=43_200) == "channel"
    assert route("0.40", seconds=43_201) == "escrow"
    assert micro_duration(6 * 3600, CONSTANTS) == 43_200


def test_negative_input_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        choose_path(-1, task_escrow_only=False, bid_escrow_only=False, duration_seconds=0, constants=CONSTANTS)
