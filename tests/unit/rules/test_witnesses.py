"""Rings: what wallets of one mind can do to a score with 100 USDC of fees, whatever their shape."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.abi.enums import Outcome
from aicp.rules.epochs import evidence_of, score_cards
from aicp.rules.facts import Deal
from aicp.rules.reputation import FLOOR, score_card, specialty_score
from aicp.rules.specialties import qualities
from aicp.rules.witnesses import PPM, PUBLIC, Parameters, Received, first_funders, read_on, survey
from tests.unit.rules.markets import USDC, account, deal, inputs, witnesses

FEES = 100 * USDC
AT_MOST = 500


def honest_market(agents: int = 30, buyers: int = 25, seed: int = 1) -> list[Deal]:
    """A market that has nothing to do with the ring: 600 deals, each buyer a full witness."""
    dice = random.Random(seed)
    deals = witnesses(buyers, other="honest 0", usdc=4_000)
    for agent in range(agents):
        for number in range(20):
            rating = dice.choice([None, dice.randrange(60, 101)])
            name = f"buyer {dice.randrange(buyers)}"
            amount = dice.randrange(20, 200)
            deals.append(
                deal(name, f"honest {agent}", amount, days_ago=dice.randrange(60), rating=rating, number=number)
            )
    return deals


def fees_of(deals: list[Deal]) -> int:
    return sum(one.fee - one.bonus for one in deals)


def within(deals: list[Deal], fees: int = FEES) -> list[Deal]:
    """The first deals of a plan that so many fees pay for."""
    kept: list[Deal] = []
    for one in deals:
        if fees_of([*kept, one]) <= fees:
            kept.append(one)
    return kept


def rings(dice: random.Random) -> Iterator[tuple[str, list[Deal], dict[bytes, bytes]]]:
    """Every shape, with a random size: name, deals that 100 USDC of fees pay for, who funded whom."""
    buyers, agents = dice.randrange(1, 60), dice.randrange(1, 12)
    amount = dice.choice([10, 40, 100, 400])
    days = [dice.randrange(30) for _ in range(5_000)]

    def plan(pairs: Iterator[tuple[str, str]]) -> list[Deal]:
        return [
            deal(buyer, agent, amount, days_ago=days[n], rating=100, number=n)
            for n, (buyer, agent) in zip(range(4_000 // amount), pairs, strict=False)
        ]

    def again(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        while True:
            yield from pairs

    star = [(f"sock {n}", "ring 0") for n in range(buyers)]
    everyone = [(f"sock {n}", f"ring {m}") for n in range(buyers) for m in range(agents)]
    members = [f"ring {n}" for n in range(agents + 1)]
    circle = list(zip(members, [*members[1:], members[0]], strict=True))
    mutual = [(one, other) for one in members for other in members if one != other]
    yield "star", plan(again(star)), {}
    yield "everyone with everyone", plan(again(everyone)), {}
    yield "circle", plan(again(circle)), {}
    yield "back and forth", plan(again(mutual)), {}
    yield "star of one bank", plan(again(star)), {account(name): account("bank") for name, _ in star}
    camouflage = [(f"sock {n}", f"honest {dice.randrange(30)}") for n in range(buyers)]
    mixed = [pair for three in zip(everyone, everyone, camouflage, strict=False) for pair in three]
    yield "behind real purchases", plan(again(mixed)), {}
    outside = [(f"honest {n}", "ring 0") for n in range(min(agents, 30))]
    yield "an honest agent hires it now and then", plan(again([*star, *outside])), {}


def worst(honest: list[Deal], ring: list[Deal], funders: dict[bytes, bytes]) -> int:
    """The most that any score of a ring agent, of any kind, is above a newcomer's."""
    members = {account(f"ring {n}") for n in range(13)}
    found = FLOOR
    given_inputs = inputs(funders=funders)
    for about in evidence_of(given_inputs, [*honest, *ring]):
        if about.agent in members:
            of = qualities(about)
            score = score_card(about, given_inputs.end).score
            found = max(found, score, specialty_score(about, lambda one: True), of.speed, of.quality, of.reliability)
    return found - FLOOR


@pytest.mark.parametrize("seed", range(2))
def test_a_hundred_usdc_of_fees_move_a_ring_by_five_at_most(seed: int) -> None:
    honest = honest_market(agents=10)
    for name, ring, funders in rings(random.Random(seed)):
        assert fees_of(ring) <= FEES
        assert worst(honest, ring, funders) <= AT_MOST, name


@pytest.mark.long
def test_no_ring_of_two_hundred_gains_more() -> None:
    honest = honest_market()
    gains: dict[str, int] = {}
    for seed in range(200):
        for name, ring, funders in rings(random.Random(seed)):
            gains[name] = max(gains.get(name, 0), worst(honest, ring, funders))
    print(f"\n  200 seeded rings, 100 USDC of fees each{'most above a newcomer':>30}")
    for name, gain in sorted(gains.items(), key=lambda item: -item[1]):
        print(f"  {name:50}{gain // 100:>16}.{gain % 100:02}")
    assert max(gains.values()) <= AT_MOST
    assert gains["star of one bank"] <= gains["star"] == AT_MOST


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 9),
            st.integers(1, 4_000),
            st.sampled_from([Outcome.COMPLETED] * 4 + [Outcome.WON, Outcome.SETTLED, Outcome.RETURNED, Outcome.LOST]),
            st.none() | st.integers(0, 100),
            st.integers(0, 60),
        ),
        max_size=30,
    ),
    st.dictionaries(st.integers(0, 9), st.integers(0, 3), max_size=6),
)
def test_whatever_a_ring_does_its_fees_are_all_it_has(
    plan: list[tuple[int, int, int, Outcome, int | None, int]], banks: dict[int, int]
) -> None:
    ring = within(
        [
            deal(f"ring {buyer}", f"ring {agent}", usdc, outcome=outcome, rating=rating, days_ago=ago, number=n)
            for n, (buyer, agent, usdc, outcome, rating, ago) in enumerate(plan)
            if buyer != agent
        ]
    )
    funders = {account(f"ring {member}"): account(f"bank {bank}") for member, bank in banks.items()}
    for card in score_cards(inputs(funders=funders), [*witnesses(3), *ring]):
        if card.agent != account("somebody else"):
            assert card.credit <= PPM
            assert FLOOR <= card.score <= FLOOR + AT_MOST


def established(count: int, rating: int) -> list[Deal]:
    return [
        *witnesses(count),
        *(deal(f"buyer {n}", "ring 0", 100, rating=rating, days_ago=n % 60) for n in range(count)),
    ]


def score_of(deals: list[Deal], agent: str = "ring 0") -> int:
    return next(card.score for card in score_cards(inputs(), deals) if card.agent == account(agent))


def test_an_agent_with_a_name_gains_less_than_one_percent_by_gaming() -> None:
    before = score_of(established(100, 60))
    for name, ring, _ in rings(random.Random(5)):
        if name != "behind real purchases":
            assert score_of([*established(100, 60), *ring]) - before < 100, name


def test_slander_for_a_hundred_usdc_of_fees_takes_less_than_five() -> None:
    before = score_of(established(20, 90))
    slander = [deal(f"sock {n}", "ring 0", 100, rating=0, number=n) for n in range(40)]
    assert fees_of(slander) <= FEES
    assert before - score_of([*established(20, 90), *slander]) < AT_MOST


def test_groups_and_credit() -> None:
    deals = [deal("a", "x", 2_000), deal("b", "x", 2_000), deal("c", "y", 400), deal("x", "a", 100)]
    market = survey(deals, {account("a"): account("bank"), account("b"): account("bank")})
    group = market.group_of(account("a"))
    assert group == market.group_of(account("b")) == min(account("a"), account("b"))
    assert market.group_of(account("bank")) == account("bank")  # it has no deal here
    assert market.credit[group] == PPM
    assert market.credit[account("c")] == 100_000
    assert market.net_paid(group, account("x")) == 3_900 * USDC
    assert market.net_paid(account("x"), group) == 0
    assert market.main == {group, account("x")}
    assert survey([], {}).main == frozenset()
    with pytest.raises(ValueError, match="at least 1"):
        Parameters(full_credit_units=0)


def test_a_refunded_deal_pays_no_fee_and_makes_no_witness() -> None:
    returned = [deal(f"sock {n}", "ring 0", 5_000, outcome=Outcome.RETURNED) for n in range(5)]
    market = survey(returned, {})
    assert set(market.credit.values()) == {0}
    paid_back = [dataclasses.replace(one, fee=10, bonus=20) for one in returned]
    assert set(survey(paid_back, {}).credit.values()) == {0}


def test_the_first_usdc_makes_the_group() -> None:
    a, b, c = account("a"), account("b"), account("c")
    transfers = [(bytes(20), a, 5), (b, a, 5), (b, b, 5), (c, b, 0), (a, b, 1), (c, b, 9), (a, c, 9)]
    assert first_funders(transfers, [a, b], 1) == {b: a}
    assert first_funders(transfers, [c], 1) == {c: a}


def test_dust_is_no_gift_however_many_have_got_it() -> None:
    mallory, bank = account("mallory"), account("bank")
    people = [account("agent"), *(account(f"buyer {n}") for n in range(20))]
    dust = [(mallory, one, 1) for one in people]
    meant = [(bank, one, PUBLIC.least_gift_units) for one in people]
    least = PUBLIC.least_gift_units
    assert first_funders(dust, people, least) == {}
    assert first_funders([*dust, *meant], people, least) == dict.fromkeys(people, bank)
    deals = [*witnesses(20), *(deal(f"buyer {n}", "agent", 50) for n in range(20))]
    dusted = inputs(funders=first_funders(dust, people, least))
    assert score_cards(dusted, deals) == score_cards(inputs(), deals)


def test_a_gift_in_parts_is_one_and_who_has_given_enough_first_is_the_funder() -> None:
    a, b, c = account("a"), account("b"), account("c")
    parts = [(b, a, 4), (c, a, 9), (b, a, 5), (c, a, 1), (b, a, 100)]
    assert first_funders(parts, [a], 10) == {a: c}
    assert first_funders([(bytes(20), a, 10), (b, a, 10)], [a], 10) == {}, "minted"
    assert first_funders([(bytes(20), a, 9), (b, a, 10)], [a], 10) == {a: b}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 6)), max_size=30),
    st.integers(0, 30),
    st.integers(1, 12),
)
def test_transfers_read_in_parts_tell_the_same(plan: list[tuple[int, int, int]], cut: int, least: int) -> None:
    names = [account(f"wallet {n}") for n in range(4)]
    transfers = [(names[sender], names[receiver], units) for sender, receiver, units in plan]
    before = dict.fromkeys(names[:3], Received())
    whole = read_on(before, transfers, least)
    assert read_on(read_on(before, transfers[:cut], least), transfers[cut:], least) == whole
    for account_, known in whole.items():
        given_by = {name: sum(u for s, r, u in transfers if (s, r) == (name, account_) and s != r) for name in names}
        assert (known.funder is None) == all(units < least for units in given_by.values())
        if known.funder is None:
            assert known.sums == {name: units for name, units in given_by.items() if units}
