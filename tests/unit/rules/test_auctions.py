"""What a buyer may choose about an auction, and when an extended one ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.rules.auctions import AuctionOptions, Extension, options_of
from aicp.rules.awarding import DEFAULT_WEIGHTS

EXTENSIONS = st.integers(5, 60).flatmap(
    lambda window: st.builds(Extension, window_seconds=st.just(window), most_seconds=st.integers(window, 300))
)


@given(EXTENSIONS, st.lists(st.integers(0, 500), max_size=12))
@settings(max_examples=60)
def test_an_end_moves_forward_only_and_within_its_bound(extension: Extension, gaps: list[int]) -> None:
    first = ends = 1_000
    at = first - 100
    for gap in gaps:
        at += gap
        if at >= ends:
            break
        moved = extension.end_after(at, ends, first)
        assert ends <= moved <= first + extension.most_seconds
        if at < ends - extension.window_seconds:
            assert moved == ends
        elif moved < first + extension.most_seconds:
            assert moved == at + extension.window_seconds
        ends = moved


PRICES = st.integers(1, 20_000_000)
OPTIONS = st.one_of(
    st.builds(AuctionOptions, weights=st.just(DEFAULT_WEIGHTS), reserve_units=PRICES | st.none()),
    st.builds(AuctionOptions, buy_now_units=PRICES, extension=EXTENSIONS | st.none()),
    st.builds(AuctionOptions, buy_now_units=PRICES, instant=st.booleans()),
    st.builds(AuctionOptions, reveal_seconds=st.integers(30, 86_400), weights=st.sampled_from([None, DEFAULT_WEIGHTS])),
)


@given(OPTIONS)
@settings(max_examples=60)
def test_a_document_says_what_was_chosen_and_nothing_else(options: AuctionOptions) -> None:
    document = options.to_json()
    assert options_of(document) == options
    assert None not in document.values()
    assert AuctionOptions().to_json() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"reserve_units": 5},
        {"reveal_seconds": 29},
        {"reveal_seconds": 60, "buy_now_units": 5},
        {"reveal_seconds": 60, "extension": Extension(window_seconds=5, most_seconds=5)},
        {"buy_now_units": 0},
        {"instant": True},
        {"instant": True, "buy_now_units": 5, "weights": DEFAULT_WEIGHTS},
        {"instant": True, "buy_now_units": 5, "reveal_seconds": 60},
        {"instant": True, "buy_now_units": 5, "extension": Extension(window_seconds=5, most_seconds=5)},
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"reserve|sealed|price"):
        AuctionOptions(**wrong)


def test_prices_are_in_order() -> None:
    with pytest.raises(ValueError, match="above the budget"):
        AuctionOptions(weights=DEFAULT_WEIGHTS, reserve_units=11).check_budget(10)
    with pytest.raises(ValueError, match="buy-now"):
        AuctionOptions(weights=DEFAULT_WEIGHTS, reserve_units=8, buy_now_units=9).check_budget(10)
    AuctionOptions(weights=DEFAULT_WEIGHTS, reserve_units=10, buy_now_units=10).check_budget(10)
    for window, most in ((4, 10), (10, 9), (10, 86_401)):
        with pytest.raises(ValueError, match=r"extension|extended"):
            Extension(window_seconds=window, most_seconds=most)


@pytest.mark.parametrize(
    "document", [{"extension": {"window_seconds": 5}}, {"reveal_seconds": "x"}, {"reserve_units": "1.5"}]
)
def test_a_malformed_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"malformed|amount|units|integer|reserve"):
        options_of(document)
