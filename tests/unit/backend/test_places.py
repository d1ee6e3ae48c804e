"""How much of the agents' room a buyer may hold, and that whoever does not pay keeps nobody else waiting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.places import Buyer, Hold
from backend.domain.scheduling import Candidate, Rule, Waiting, Why, assign, floors_of

NOW = 1_700_000_000
PAYMENT_SECONDS = 900
HONEST = b"\xff" * 20
RICH = Buyer(largest_units=10_000, total_units=10_000)


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


def agent(number: int, capacity: int) -> Candidate:
    return Candidate(
        agent=address(number), capabilities=frozenset({"ocr"}), capacity=capacity, heard_at=NOW, decided=50
    )


def task(name: str, buyer: bytes | None, **changes: object) -> Waiting:
    usual = {"id": name, "capabilities": frozenset({"ocr"}), "max_units": 100, "deadline": NOW + 10**6, "since": NOW}
    return Waiting(**{**usual, "buyer": buyer, "pooled": True, **changes})


@pytest.mark.parametrize(
    ("buyer", "hold"),
    [
        (RICH, None),
        (replace(RICH, busy=4), None),
        (replace(RICH, busy=5), Hold.BUYER_FULL),
        (replace(RICH, busy=4, left=1), Hold.LEFT_UNPAID),
        (replace(RICH, busy=3, left=1), None),
        (replace(RICH, busy=0, left=50), None),
        (replace(RICH, busy=1, left=50), Hold.LEFT_UNPAID),
        (replace(RICH, asked_units=9_900), None),
        (replace(RICH, asked_units=9_901), Hold.POOL_SHORT),
        (replace(RICH, largest_units=99), Hold.POOL_SHORT),
        (Buyer(busy=5), Hold.POOL_SHORT),
    ],
)
def test_a_place_and_the_money_are_asked_for(buyer: Buyer, hold: Hold | None) -> None:
    assert buyer.hold(5, 100, pooled=True) is hold
    if hold is Hold.POOL_SHORT:
        assert replace(buyer, busy=0).hold(5, 100, pooled=False) is None


def test_offers_of_one_round_take_places_and_money_one_after_the_other() -> None:
    buyers = {HONEST: Buyer(largest_units=250, total_units=250), address(7): Buyer(busy=1)}
    tasks = [task(f"{number}", HONEST) for number in range(3)]
    tasks += [task(f"e{number}", address(7), pooled=False) for number in range(6)]
    plan = assign(tasks, [agent(1, 20)], rule=Rule(), now=NOW, buyers=buyers)
    why = {one.task: one.why for one in plan.decisions}
    assert [why[str(number)] for number in range(3)] == [Why.BEST, Why.BEST, Why.POOL_SHORT]
    assert [why[f"e{number}"] for number in range(6)] == [Why.BEST] * 4 + [Why.BUYER_FULL] * 2
    alone = assign([task("0", None)], [agent(1, 1)], rule=Rule(), now=NOW)
    assert alone.decisions[0].why is Why.BEST, "who chooses himself takes no place"


def test_every_hold_is_a_reason() -> None:
    assert {hold.value for hold in Hold} <= {why.value for why in Why}


def test_the_least_floor_is_of_who_may_be_given_something() -> None:
    agents = [
        replace(agent(1, 1), floor_units=5),
        replace(agent(2, 1), floor_units=1, load=1),
        replace(agent(3, 1), floor_units=2, rests_until=NOW + 1),
        replace(agent(4, 1), floor_units=3, heard_at=None),
        replace(agent(5, 1), floor_units=7, capabilities=frozenset({"ocr", "law"})),
    ]
    assert floors_of(agents, Rule(), NOW) == {"ocr": 5, "law": 7}


# -- whatever unpaying buyers do ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Deal:
    """An offer that was taken: it keeps its agent's place until it is paid, taken back or its time is over."""

    buyer: bytes
    agent: bytes
    since: int


@dataclass(slots=True)
class _Market:
    """Agents who take whatever they are offered, and buyers of whom only one pays."""

    agents: list[Candidate]
    rule: Rule
    now: int = NOW
    waiting: list[Waiting] = field(default_factory=list)
    deals: list[_Deal] = field(default_factory=list)
    left: dict[bytes, int] = field(default_factory=dict)
    posted: int = 0

    def post(self, buyer: bytes, **changes: object) -> Waiting:
        self.posted += 1
        made = task(f"{self.posted:05d}", buyer, since=self.now, **changes)
        self.waiting.append(made)
        return made

    def leave(self, deal: _Deal) -> None:
        self.deals.remove(deal)
        self.left[deal.buyer] = self.left.get(deal.buyer, 0) + 1

    def tick(self, seconds: int) -> None:
        self.now += seconds
        for deal in [one for one in self.deals if one.since + PAYMENT_SECONDS <= self.now]:
            self.leave(deal)

    def round(self) -> dict[str, Why]:
        busy = [deal.buyer for deal in self.deals]
        buyers = {
            one.buyer: replace(RICH, busy=busy.count(one.buyer), left=self.left.get(one.buyer, 0))
            for one in self.waiting
            if one.buyer is not None
        }
        load = [deal.agent for deal in self.deals]
        there = [replace(one, load=load.count(one.agent), heard_at=self.now) for one in self.agents]
        plan = assign(self.waiting, there, rule=self.rule, now=self.now, buyers=MappingProxyType(buyers))
        by_id = {one.id: one for one in self.waiting}
        for decision in plan.decisions:
            if decision.agent is not None:
                chosen = by_id.pop(decision.task)
                assert chosen.buyer is not None
                self.deals.append(_Deal(chosen.buyer, decision.agent, self.now))
        self.waiting = list(by_id.values())
        return {decision.task: decision.why for decision in plan.decisions}


DEEDS = st.one_of(
    st.tuples(st.just("post"), st.integers(0, 3), st.integers(1, 9), st.integers(0, 2)),
    st.tuples(st.just("cancel"), st.integers(0, 3), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from((1, 15, 300, 900, 7_200))),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, max_size=25), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_an_honest_buyers_task_is_offered_at_once_whatever_unpaying_buyers_do(
    deeds: list[tuple[object, ...]], bad: int, capacity: int, places: int
) -> None:
    """As long as the agents have room for one task more than the others' places, together."""
    count = -(-(bad * places + 1) // capacity)
    market = _Market([agent(number, capacity) for number in range(count)], Rule(buyer_places=places))
    for deed, *how in deeds:
        if deed == "post":
            who, many, priority = how
            for _ in range(int(str(many))):
                market.post(address(100 + int(str(who)) % bad), priority=priority, deadline=market.now + 60)
        elif deed == "cancel":
            mine = [deal for deal in market.deals if deal.buyer == address(100 + int(str(how[0])) % bad)]
            for deal in mine[: int(str(how[1]))]:
                market.leave(deal)
        else:
            market.tick(int(str(how[0])))
        honest = market.post(HONEST)
        assert market.round()[honest.id] is Why.BEST
        for buyer in (address(100 + number) for number in range(bad)):
            held = sum(deal.buyer == buyer for deal in market.deals)
            assert held <= places
        market.deals = [deal for deal in market.deals if deal.buyer != HONEST]  # he pays, and the work is done
