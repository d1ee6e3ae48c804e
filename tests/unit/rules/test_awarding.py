"""The rule that awards: the best bid wins, whoever looks, in whatever order the bids come."""

from __future__ import annotations

import dataclasses
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.rules.awarding import (
    DEFAULT_WEIGHTS,
    Contest,
    Offer,
    Weights,
    award_record,
    inputs_hash,
    points,
    rank,
    scale,
    weights_of,
)
from aicp.rules.bids import bids_root
from aicp.rules.primitives import keccak

NOW = 1_000


def contest(weights: Weights = DEFAULT_WEIGHTS, **changes: Any) -> Contest:
    plain: dict[str, Any] = {"budget_units": 25_000_000, "allowed_seconds": 3_600, "epoch": 3, "decided_at": NOW}
    return Contest(task_hash=keccak(b"task"), weights=weights, **(plain | changes))


def offer(name: str = "a", seq: int = 1, **changes: Any) -> Offer:
    plain: dict[str, Any] = {"amount": 10_000_000, "eta_seconds": 600, "valid_until": NOW + 1, "seq": seq}
    named = {"bid_hash": keccak(name.encode()), "agent": keccak(name.encode())[12:]}
    return Offer(**(plain | named | changes))


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=3, max_size=3)))
    price, reputation, time, specialty = (b - a for a, b in zip([0, *cuts], [*cuts, 10_000], strict=True))
    return Weights(price=price, reputation=reputation, time=time, specialty=specialty)


@st.composite
def many_offers(draw: st.DrawFn) -> list[Offer]:
    amounts = st.integers(0, 30_000_000) | st.sampled_from([10_000_000, 25_000_000])
    scores = st.sampled_from([2_000, 5_000, 9_999, 10_000])
    return [
        offer(
            f"bid {seq}",
            seq,
            agent=keccak(bytes([draw(st.integers(0, 5))]))[12:],
            amount=draw(amounts),
            eta_seconds=draw(st.sampled_from([1, 600, 3_600, 3_601])),
            valid_until=draw(st.sampled_from([NOW, NOW + 1])),
            withdrawn=draw(st.booleans()) and draw(st.booleans()),
            revealed=draw(st.booleans()) or draw(st.booleans()),
            lapsed=draw(st.booleans()) and draw(st.booleans()),
            reputation=draw(scores),
            specialty=draw(scores),
        )
        for seq in range(1, draw(st.integers(1, 10)) + 1)
    ]


def dominates(one: Offer, other: Offer) -> bool:
    better = (
        other.amount - one.amount,
        other.eta_seconds - one.eta_seconds,
        one.reputation - other.reputation,
        one.specialty - other.specialty,
    )
    return min(better) >= 0 and max(better) > 0


@given(many_offers(), weights())
def test_no_dominated_bid_ever_stands_before_a_better_one(given_offers: list[Offer], chosen: Weights) -> None:
    order = [one.offer for one in rank(contest(chosen), given_offers).ranked]
    for place, one in enumerate(order):
        assert not any(dominates(later, one) for later in order[place + 1 :])


@given(many_offers(), weights(), st.randoms(use_true_random=False))
def test_the_order_of_the_bids_says_nothing(given_offers: list[Offer], chosen: Weights, dice: random.Random) -> None:
    shuffled = given_offers[:]
    dice.shuffle(shuffled)
    assert rank(contest(chosen), shuffled) == rank(contest(chosen), given_offers)


@given(many_offers(), weights())
def test_a_bid_more_changes_nothing_between_the_others(given_offers: list[Offer], chosen: Weights) -> None:
    best = [one.offer for one in rank(contest(chosen), given_offers).ranked]
    extra = offer("extra", 99, amount=1, eta_seconds=1, reputation=10_000, specialty=10_000)
    after = [one.offer for one in rank(contest(chosen), [*given_offers, extra]).ranked]
    assert [one for one in after if one != extra] == best
    # nobody has more points; one that differs only in what has no weight may be before it by the rule for equals
    assert points(after[0], contest(chosen), chosen) == points(extra, contest(chosen), chosen)


@given(many_offers(), weights())
def test_points_are_the_published_sum_exactly(given_offers: list[Offer], chosen: Weights) -> None:
    asked = contest(chosen)
    for one in given_offers:
        terms = (
            (chosen.price, Fraction(asked.budget_units - one.amount, asked.budget_units)),
            (chosen.time, Fraction(asked.allowed_seconds - one.eta_seconds, asked.allowed_seconds)),
            (chosen.reputation, Fraction(one.reputation, 10_000)),
            (chosen.specialty, Fraction(one.specialty, 10_000)),
        )
        exact = sum(Fraction(weight, 10_000) * term for weight, term in terms)
        assert Fraction(points(one, asked, chosen), scale(asked)) == exact


def test_the_lowest_hash_wins_between_equals() -> None:
    given_offers = [offer(f"bid {n}", n + 1) for n in range(5)]
    winner = rank(contest(), given_offers).winner
    assert winner is not None
    assert winner.bid_hash == min(one.bid_hash for one in given_offers)


def test_a_price_auction_still_prefers_the_better_of_equal_prices() -> None:
    only_price = Weights(price=10_000, reputation=0, time=0, specialty=0)
    worse, better = sorted((offer("a", 1), offer("b", 2)), key=lambda one: one.bid_hash)
    better = dataclasses.replace(better, reputation=2_001)
    assert rank(contest(only_price), [worse, better]).winner == better


def test_points_are_shown_in_hundredths() -> None:
    asked = contest()
    ranked = rank(asked, [offer(amount=0, eta_seconds=0, reputation=10_000, specialty=10_000)]).ranked
    assert ranked[0].hundredths(asked) == 10_000
    assert rank(asked, [offer(amount=12_500_000, eta_seconds=1_800)]).ranked[0].hundredths(asked) == 3_650


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"withdrawn": True}, "withdrawn"),
        ({"valid_until": NOW}, "expired"),
        ({"revealed": False}, "unrevealed"),
        ({"lapsed": True}, "lapsed"),
        ({"amount": 25_000_001}, "above_budget"),
        ({"eta_seconds": 3_601}, "too_slow"),
    ],
)
def test_what_does_not_count_is_named(changes: dict[str, Any], reason: str) -> None:
    bad = offer("bad", 2, **changes)
    ranking = rank(contest(), [offer("good", 1), bad])
    assert ranking.excluded == ((bad.bid_hash, reason),)
    assert [one.offer.bid_hash for one in ranking.ranked] == [keccak(b"good")]
    assert rank(contest(), [bad]).winner is None
    with pytest.raises(ValueError, match="no offer counts"):
        award_record(contest(), [bad])


def test_the_newest_bid_of_an_agent_replaces_the_others_even_if_withdrawn() -> None:
    first, second = offer("a", 1, amount=1), dataclasses.replace(offer("b", 2), agent=keccak(b"a")[12:])
    assert rank(contest(), [first, second]).winner == second
    gone = dataclasses.replace(second, withdrawn=True)
    assert dict(rank(contest(), [first, gone]).excluded) == {
        first.bid_hash: "replaced",
        gone.bid_hash: "withdrawn",
    }


def test_the_record_commits_to_every_bid_and_input() -> None:
    given_offers = [offer(f"bid {n}", n + 1, amount=1_000_000 * n) for n in range(4)]
    record = award_record(contest(), given_offers)
    assert record["bids_root"] == "0x" + bids_root([one.bid_hash for one in given_offers]).hex()
    assert award_record(contest(), given_offers[::-1]) == record
    seen = {inputs_hash(record)}
    for changed in (
        contest(budget_units=25_000_001),
        contest(epoch=4),
        contest(decided_at=NOW - 1),
        contest(Weights(price=3_999, reputation=3_001)),
    ):
        seen.add(inputs_hash(award_record(changed, given_offers)))
    seen.add(
        inputs_hash(award_record(contest(), [*given_offers[:3], dataclasses.replace(given_offers[3], specialty=1)]))
    )
    assert len(seen) == 6


def test_weights_come_from_the_task() -> None:
    named = {"price": 1, "reputation": 2, "time": 3, "specialty": 9_994}
    assert weights_of({"award_weights": named}) == Weights(**named)
    assert weights_of({}) == DEFAULT_WEIGHTS
    for wrong in ({}, {**named, "price": 2}, {**named, "price": True}, {**named, "x": 0}, [1], {**named, "price": 1.0}):
        with pytest.raises(ValueError, match=r"weights|weight"):
            weights_of({"award_weights": wrong})


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        rank(contest(), [offer(), offer()])
    with pytest.raises(ValueError, match="twice"):
        rank(contest(), [offer("a", 1), offer("b", 1)])
    for wrong in ({"amount": -1}, {"seq": 0}, {"reputation": 10_001}, {"bid_hash": b""}):
        with pytest.raises(ValueError, match=r"offer|scores|hash"):
            dataclasses.replace(offer(), **wrong)
    with pytest.raises(ValueError, match="contest"):
        contest(budget_units=0)
