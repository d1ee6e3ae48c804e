"""Scores: what they follow from, what lowers them, what forgives, and whose word counts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicp.abi.enums import Outcome
from aicp.abi.signing import address_of, sign
from aicp.abi.typed_data import Vouch, marketplace_domain
from aicp.rules.decay import DAY
from aicp.rules.epochs import Inputs, SignedVouch, evidence_of, inputs_of, manifest, running_vouchers, score_cards
from aicp.rules.facts import Deal, MicroDeal
from aicp.rules.pricing import Tier
from aicp.rules.primitives import keccak
from aicp.rules.recovery import forgiven_bps, last_recovery, recovery_of
from aicp.rules.reputation import Evidence, ScoreCard, believed, forecast, mean_of, specialty_score
from aicp.rules.review import review_queue
from aicp.rules.specialties import Qualities, counting, qualities, specialties, speed_mark
from aicp.rules.witnesses import DEVNET, PPM, Parameters, survey
from tests.unit.rules.markets import END, USDC, account, deal, inputs, witnesses

AGENT = account("agent")


def card(deals: list[Deal], given_inputs: Inputs | None = None, agent: bytes = AGENT) -> ScoreCard:
    return {one.agent: one for one in score_cards(given_inputs or inputs(), deals)}[agent]


def evidence(deals: list[Deal], given_inputs: Inputs | None = None, agent: bytes = AGENT) -> Evidence:
    return {one.agent: one for one in evidence_of(given_inputs or inputs(), deals)}[agent]


def served(count: int, **changes: Any) -> list[Deal]:
    """So many deals of the agent, each for another full witness."""
    return witnesses(count) + [deal(f"buyer {n}", "agent", 50, **changes) for n in range(count)]


def test_twenty_good_deals_for_full_witnesses() -> None:
    found = card(served(20))
    assert (found.base, found.recent, found.days, found.active_days) == (10_000, 10_000, 0, 1)
    assert found.credit == 20 * PPM
    assert found.score == 2_000 + 8_000 * 400 // 415 == 9_710
    assert (found.settled_value, found.jobs, found.tier) == (20 * 50 * USDC, 20, Tier.EXCELLENT)


def test_a_newcomer_has_two_thousand_and_one_witness_moves_it_by_five() -> None:
    assert believed(10_000, 0) == 2_000
    assert believed(10_000, PPM) == 2_500
    assert card([deal("nobody", "agent", 50)]).score == 2_000 + 8_000 * 12_500**2 // (12_500**2 + 15 * PPM**2)
    assert card([deal("nobody", "agent", 50)]).tier is Tier.NEW
    assert card([*witnesses(1), deal("buyer 0", "agent", 50)]).score == 2_500


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_witnesses_and_better_deals_never_lower_what_is_believed(
    one: int, other: int, few: int, many: int
) -> None:
    low, high = believed(min(one, other), min(few, many)), believed(max(one, other), max(few, many))
    assert 2_000 <= low <= high <= 10_000


def test_decay_over_the_days_and_its_forecast() -> None:
    deals = served(20)
    about = evidence(deals)
    assert forecast(about, END, (0, 7, 29, 31, 400)) == ((0, 9_710), (7, 9_710), (29, 9_710), (31, 2_346), (400, 2_000))
    later = inputs(end=END + 31 * DAY)
    assert card(deals, later).score == 2_346
    mixed = card([*witnesses(20), *(deal(f"buyer {n}", "agent", 50, days_ago=37) for n in range(20))])
    assert mixed.recent == 2_000
    assert mixed.current == 2_000 + 8_000 * 24_723 // 1_000_000


def test_ratings_of_who_paid_enter_by_value_and_those_of_the_agent_do_not() -> None:
    assert card(served(20, rating=100)).base == 10_000
    assert card(served(20, rating=50)).base == 7_500
    half_refunded = served(20, rating=0, outcome=Outcome.SETTLED, refunded_bps=5_000)
    assert card(half_refunded).base == (5_000 * 2 + 0) // 3


def test_a_large_deal_weighs_no_more_than_the_cap() -> None:
    small = [*served(19), deal("buyer 19", "agent", 50, rating=0), *witnesses(20)[19:]]
    large = [*served(19), deal("buyer 19", "agent", 50_000, rating=0), *witnesses(20)[19:]]
    assert card(small).base == (19 * 10_000 + 5_000) // 20
    assert card(large).base == (19 * 50 * 10_000 + 100 * 5_000) // (19 * 50 + 100)


def test_failures_count_whoever_the_buyer_is_and_never_raise_the_credit() -> None:
    good = card(served(20))
    for outcome, at_least in ((Outcome.RETURNED, 200), (Outcome.MISSED, 300), (Outcome.LOST, 400)):
        found = card([*served(20), deal("nobody", "agent", 50, outcome=outcome)])
        assert found.credit == good.credit
        assert found.score < good.score - at_least
    griefed = card([deal("nobody", "agent", 50), deal("no one", "agent", 50, outcome=Outcome.LOST)])
    assert griefed.score <= card([deal("nobody", "agent", 50)]).score == 2_000 + 8_000 // 96_000


def test_a_failure_is_forgiven_by_time_by_redemption_and_by_vouchers() -> None:
    failure = deal("nobody", "agent", 50, outcome=Outcome.RETURNED, days_ago=30)
    market = survey(served(20), {})

    def forgiven(own: list[Deal], *, at: int = END, vouchers: int = 0) -> int:
        return forgiven_bps(own[0], own, market, at=at, vouchers=vouchers)

    assert [forgiven([failure], at=END + (n - 30) * DAY) for n in (0, 1, 15, 30, 60)] == [0, 166, 2_500, 5_000, 5_000]
    again = deal("nobody", "agent", 50, outcome=Outcome.RETURNED, days_ago=3)
    assert forgiven([failure, again]) == 500
    redemptions = [deal(f"buyer {n}", "agent", 50, days_ago=1) for n in range(4)]
    assert [forgiven([failure, *redemptions[:n]]) - 5_000 for n in range(5)] == [0, 1_000, 2_000, 3_000, 3_000]
    assert forgiven([failure, deal("buyer 0", "agent", 49, days_ago=1)]) == 5_000  # worth less than the failure
    assert forgiven([failure, deal("buyer 0", "agent", 50, days_ago=31)]) == 5_000  # before the failure
    assert forgiven([failure, deal("nobody", "agent", 50, days_ago=1)]) == 5_000  # no witness
    assert [forgiven([failure], vouchers=n) - 5_000 for n in range(4)] == [0, 1_000, 2_000, 2_000]
    assert forgiven([failure, *redemptions], vouchers=2) == 10_000
    lost = dataclasses.replace(failure, outcome=Outcome.LOST)
    assert forgiven([lost, *redemptions], vouchers=2) == 5_000
    with pytest.raises(ValueError, match="only a failure"):
        forgiven([redemptions[0], failure])


def test_money_that_went_back_redeems_nothing() -> None:
    failure = deal("nobody", "agent", 50, outcome=Outcome.RETURNED, days_ago=3)
    there = [deal(f"buyer {n}", "agent", 50, days_ago=1) for n in range(3)]

    def redeemed(back: list[Deal]) -> int:
        market = survey([*witnesses(3), failure, *there, *back], {})
        return recovery_of(failure, [failure, *there], market, at=END, vouchers=0).redemption_bps

    assert redeemed([]) == 3_000
    assert redeemed([deal("agent", "buyer 0", 1)]) == 2_000
    assert redeemed([deal("agent", f"buyer {n}", 50, days_ago=1) for n in range(3)]) == 0


def test_a_recovery_names_its_parts_and_the_last_failure_is_the_one_shown() -> None:
    failures = [deal("nobody", "agent", 50, outcome=Outcome.LOST, days_ago=days, number=days) for days in (40, 30)]
    redemption = deal("buyer 0", "agent", 50, days_ago=1)
    own, market = [*failures, redemption], survey(served(20), {})
    found = [recovery_of(one, own, market, at=END, vouchers=3) for one in failures]
    assert [one.time_bps for one in found] == [5_000, 5_000]
    assert (found[1].redemption_ppm, found[1].redemption_bps) == (1_000_000, 1_000)
    assert (found[1].vouchers, found[1].vouch_bps) == (3, 2_000)
    assert found[1].forgiven_bps == 5_000, "a lost dispute never weighs less than half, whatever the parts add up to"
    assert last_recovery(found) == last_recovery(reversed(found)) == found[1]
    assert last_recovery([]) is None
    [about] = evidence_of(inputs(), own)
    assert about.recovery is not None
    assert about.recovery.failure == failures[1]
    assert about.forgiven[failures[1].escrow_id] == about.recovery.forgiven_bps


def test_reputation_drops_and_recovers() -> None:
    failures = [deal("nobody", "agent", 100, outcome=Outcome.MISSED, number=n) for n in range(3)]
    good = served(20)

    def at(day: int, more: list[Deal] | None = None) -> int:
        return card([*good, *failures, *(more or [])], inputs(end=END + day * DAY)).score

    def then(day: int) -> list[Deal]:
        return [deal(f"buyer {n}", "agent", 120, days_ago=-day, number=n) for n in range(3)]

    before = card(good).score
    assert at(0) < before - 1_000
    with_redemption = at(2, then(2))
    assert at(0) < with_redemption < before
    assert with_redemption < at(28, then(28)) <= before


KEY = keccak(b"voucher")
DOMAIN = marketplace_domain(31337, account("escrow"))


def vouched(**changes: Any) -> Inputs:
    plain: dict[str, Any] = {
        "voucher": address_of(KEY),
        "agent": AGENT,
        "at_risk": 60 * USDC,
        "valid_from": END - 5 * DAY,
        "valid_until": END + 5 * DAY,
        "salt": bytes(32),
    }
    vouch = Vouch(**(plain | changes))
    return inputs(
        vouches=(SignedVouch(vouch=vouch, signature=sign(vouch.digest(DOMAIN), KEY)),),
        free_stake={address_of(KEY): 60 * USDC},
    )


def with_voucher(count: int = 6) -> list[Deal]:
    own = [dataclasses.replace(deal(f"buyer {n}", "x", 50), provider=address_of(KEY)) for n in range(count)]
    return [*served(20), *own, deal("nobody", "agent", 100, outcome=Outcome.MISSED, days_ago=1)]


def test_a_voucher_forgives_and_carries_the_failure_itself() -> None:
    deals = with_voucher()
    assert card(deals, vouched()).score > card(deals).score
    assert card(deals, vouched(), address_of(KEY)).score < card(deals, agent=address_of(KEY)).score


def test_a_vouch_listed_more_than_once_burdens_once() -> None:
    deals, once = with_voucher(), vouched()
    often = dataclasses.replace(once, vouches=once.vouches * 50)
    read_again = inputs_of(manifest(often, deals))
    for agent in (AGENT, address_of(KEY)):
        assert card(deals, read_again, agent) == card(deals, often, agent) == card(deals, once, agent)


def test_whose_vouch_runs_is_who_has_signed_it_and_while_it_lasts() -> None:
    assert running_vouchers(vouched()) == {address_of(KEY)}
    assert running_vouchers(vouched(valid_from=END + 1)) == running_vouchers(vouched(valid_until=END)) == frozenset()
    forged = dataclasses.replace(vouched().vouches[0], signature=bytes(65))
    assert running_vouchers(inputs(vouches=(forged,))) == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"at_risk": 60 * USDC + 1},
        {"at_risk": 0},
        {"valid_from": END + 1},
        {"valid_until": END},
        {"agent": account("another")},
    ],
)
def test_a_vouch_that_does_not_hold_forgives_nothing(changes: dict[str, Any]) -> None:
    deals = with_voucher()
    assert card(deals, vouched(**changes)).score == card(deals).score


def test_a_vouch_without_its_signature_or_witnesses_counts_nothing() -> None:
    deals = with_voucher()
    signed = vouched()
    forged = dataclasses.replace(signed, vouches=(dataclasses.replace(signed.vouches[0], signature=bytes(65)),))
    assert card(deals, forged) == card(deals)
    assert card(deals, forged, address_of(KEY)) == card(deals, agent=address_of(KEY))
    other = sign(signed.vouches[0].vouch.digest(DOMAIN), keccak(b"agent"))
    stolen = dataclasses.replace(signed, vouches=(dataclasses.replace(signed.vouches[0], signature=other),))
    assert card(deals, stolen) == card(deals)
    few = with_voucher(4)
    assert card(few, vouched()).score == card(few).score
    same_group = dataclasses.replace(signed, funders={AGENT: account("bank"), address_of(KEY): account("bank")})
    assert card(deals, same_group).score == card(deals).score


def test_wallets_of_one_funder_are_one_and_deal_with_themselves_for_nothing() -> None:
    deals = served(20)
    bank = {account(f"buyer {n}"): account("bank") for n in range(20)}
    one_witness = card(deals, inputs(funders=bank))
    assert (one_witness.credit, one_witness.score) == (PPM, 2_500)
    selves = card(deals, inputs(funders={**bank, AGENT: account("bank")}))
    assert (selves.jobs, selves.score, selves.settled_value) == (0, 2_000, 0)
    # an exchange funds everybody
    assert card(deals, inputs(funders=bank, common=frozenset({account("bank")}))) == card(deals)
    narrow = inputs(funders=bank, parameters=Parameters(max_funded=19))
    assert card(deals, narrow) == card(deals)
    # who gave the first USDC himself belongs to the group
    assert card(deals, inputs(funders={account("buyer 0"): AGENT})).credit == 19 * PPM


def test_money_that_goes_back_and_forth_is_netted() -> None:
    deals = served(20)
    back = [*deals, deal("agent", "buyer 0", 50)]
    assert card(deals).credit - card(back).credit == PPM
    assert card([*deals, deal("agent", "buyer 0", 45)]).credit == 20 * PPM - PPM // 2


def test_a_closed_clique_is_one_witness() -> None:
    clique = [deal(f"ring {n}", "agent", 5_000, days_ago=n) for n in range(10)]
    alone = card([*clique, *witnesses(40, other="big")])
    assert (alone.credit, alone.score) == (PPM, 2_500)
    joined = card([*clique, *witnesses(40, other="big"), deal("ring 0", "big", 10)])
    assert joined.credit == 10 * PPM


def test_a_bonus_that_came_back_is_no_fee() -> None:
    deals = [dataclasses.replace(one, bonus=one.fee // 2) for one in witnesses(20)]
    deals += [deal(f"buyer {n}", "agent", 50, days_ago=1) for n in range(20)]
    assert card(deals).credit == sum([512_500] * 20)


def test_devnet_needs_less() -> None:
    deals = [deal(f"buyer {n}", "agent", 50) for n in range(3)]
    assert card(deals, inputs(parameters=DEVNET)).credit == 3 * PPM
    assert card(deals).credit == 3 * 12_500


def test_a_later_outcome_is_not_of_this_epoch() -> None:
    deals = served(20)
    assert card([*deals, deal("nobody", "agent", 50, outcome=Outcome.LOST, days_ago=-1)]) == card(deals)
    with pytest.raises(ValueError, match="later than the score"):
        forecast(evidence(deals), END, (-1,))


def test_nothing_of_weight_has_no_mean() -> None:
    about = evidence([dataclasses.replace(deal("b", "agent", 10), fee=0)])
    assert mean_of(about, about.deals) is None
    assert card([dataclasses.replace(deal("b", "agent", 10), fee=0)]).base == 2_000


def test_specialties_are_of_their_deals_alone() -> None:
    deals = served(20, rating=40)
    own = [one for one in deals if one.provider == AGENT]
    tags = {one.escrow_id: {"task_type": "storage", "region": "eu-west"} for one in own[:10]}
    tags |= {one.escrow_id: {"task_type": "compute"} for one in own[10:]}
    found = specialties(evidence(deals), tags)
    believed_ten = believed(10_000, 10 * PPM)
    assert found["task_type", "storage"] == found["region", "eu-west"] == found["task_type", "compute"] == believed_ten
    assert found["industry", "finance"] == 2_000
    with pytest.raises(ValueError, match="no specialty"):
        specialties(evidence(deals), {own[0].escrow_id: {"task_type": "cooking"}})


def test_a_specialty_is_base_times_one_and_a_half_at_most() -> None:
    deals = served(20, rating=0)
    own = [one for one in deals if one.provider == AGENT]
    about = evidence(deals)
    assert specialty_score(about, lambda one: True) == believed(5_000 * 3 // 2, 20 * PPM)
    assert specialty_score(about, lambda one: one in own[:5]) == believed(7_500, 5 * PPM)
    failed = [*deals, deal("nobody", "agent", 50, outcome=Outcome.LOST, number=5)]
    ratio = 20 * 10_000 // 21
    base = (20 * 50 * 5_000) // (21 * 50)
    assert specialty_score(evidence(failed), lambda one: True) == believed(base * (20_000 + ratio) // 20_000, 20 * PPM)


def small(number: int, **changes: Any) -> MicroDeal:
    plain: dict[str, Any] = {
        "order_hash": keccak(bytes([number])),
        "client": account("buyer 0"),
        "provider": AGENT,
        "succeeded": True,
        "ended_at": END - 100 + number,
        "allowed_seconds": 100,
        "used_seconds": 0,
        "signed_by_client": True,
        "signed_by_provider": True,
    }
    return MicroDeal(**(plain | changes))


def test_small_deals_count_five_a_day_and_pair_for_speed_and_reliability_only() -> None:
    assert counting([small(n) for n in range(9)]) == tuple(small(n) for n in range(5))
    assert len(counting([small(n, client=account(f"buyer {n % 2}")) for n in range(12)])) == 10
    assert len(counting([small(n, ended_at=END - n * DAY) for n in range(8)])) == 8
    assert counting([small(1, signed_by_client=False), small(2, succeeded=False, signed_by_provider=False)]) == ()
    deals = served(20, used=3_600)
    slow = qualities(evidence(deals))
    assert slow == Qualities(believed(5_000, 20 * PPM), 2_000, believed(10_000, 20 * PPM))
    quick = qualities(evidence(deals), [small(n) for n in range(9)])
    assert quick.speed == believed((20 * 5_000 + 5 * 10_000) // 25, 20 * PPM)
    assert (quick.quality, quick.reliability) == (slow.quality, slow.reliability)
    failing = qualities(evidence(deals), [small(1, succeeded=False, used_seconds=None)])
    assert failing.reliability == believed(20 * 10_000 // 21, 20 * PPM)
    own = inputs(funders={account("buyer 0"): AGENT})
    assert qualities(evidence(deals, own), [small(1)]) == qualities(evidence(deals, own))


def test_speed_quality_and_reliability() -> None:
    assert [speed_mark(100, used) for used in (0, 50, 100, 101, None)] == [10_000, 7_500, 5_000, 0, 0]
    assert speed_mark(0, 0) == 5_000
    found = qualities(evidence([*served(20, rating=60), deal("nobody", "agent", 50, outcome=Outcome.MISSED)]))
    assert found.reliability == believed(20 * 10_000 // 21, 20 * PPM)
    assert found.speed == believed(20 * 7_500 // 21, 20 * PPM)
    assert found.quality == believed(6_000, 20 * PPM)


def test_the_review_queue_names_what_stands_out() -> None:
    deals = [
        *served(20),
        *witnesses(30, other="big"),
        deal("buyer 0", "pet", 5_000),
        deal("agent", "pal", 90),
        deal("pal", "agent", 90),
        *(deal(f"ring {n}", "ringed", 5_000, rating=0) for n in range(3)),
        deal("alone", "self", 10),
        deal("buyer 1", "self", 10),
    ]
    given_inputs = inputs(funders={account("alone"): account("self")})
    cards, about = score_cards(given_inputs, deals), evidence_of(given_inputs, deals)
    before = {one.agent: one.score for one in cards}
    found = {(one.agent, one.reason) for one in review_queue(cards, about, before)}
    assert (account("ringed"), "closed_clique") in found
    assert (account("ringed"), "ratings_apart") in found
    assert (account("self"), "self_dealing") in found
    assert (account("pal"), "reciprocal") in found
    assert not {reason for agent, reason in found if agent == AGENT}
    jumps = {one.agent: one.measure for one in review_queue(cards, about, {}) if one.reason == "jump"}
    assert jumps[AGENT] == before[AGENT] - 2_000
    only = [*witnesses(20), *(deal("buyer 0", "agent", 80, days_ago=n) for n in range(3)), deal("buyer 1", "agent", 20)]
    only += [deal(f"buyer {n}", "agent", 10) for n in range(2, 6)]
    found = {
        (one.agent, one.reason) for one in review_queue(score_cards(inputs(), only), evidence_of(inputs(), only), {})
    }
    assert (AGENT, "one_witness") in found


@given(st.lists(st.integers(0, 100), min_size=5, max_size=5), st.integers(0, 4), st.integers(0, 100))
def test_a_better_rating_never_lowers_a_score(ratings: list[int], which: int, better: int) -> None:
    deals = [*witnesses(5), *(deal(f"buyer {n}", "agent", 30, rating=rating) for n, rating in enumerate(ratings))]
    raised = [
        dataclasses.replace(one, rating=max(better, one.rating or 0)) if index == 5 + which else one
        for index, one in enumerate(deals)
    ]
    assert card(raised).score >= card(deals).score
