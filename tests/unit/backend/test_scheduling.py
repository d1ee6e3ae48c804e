"""Who is given which task: the indexes against a table of everybody, and what must hold whoever takes part."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain.scheduling import (
    FLOOR,
    SCALE,
    Candidate,
    Decision,
    Plan,
    Refused,
    Rule,
    Waiting,
    Why,
    assign,
    failover,
)

NOW = 1_700_000_000
CAPABILITIES = ("ocr", "summary", "vision")
SPECIALTIES = ("law", "ships")


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


def agent(number: int, **changes: object) -> Candidate:
    usual = {"agent": address(number), "capabilities": frozenset({"ocr"}), "score": 5_000, "decided": 50}
    return Candidate(**{**usual, "heard_at": NOW, **changes})


def task(number: int, **changes: object) -> Waiting:
    usual = {"id": f"{number:06d}", "capabilities": frozenset({"ocr"}), "max_units": 100, "deadline": NOW + 60}
    return Waiting(**{**usual, "since": NOW, **changes})


def some(values: tuple[str, ...], least: int) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values), min_size=least)


AGENTS = st.lists(
    st.builds(
        Candidate,
        agent=st.integers(0, 40).map(address),
        capabilities=some(CAPABILITIES, 0),
        score=st.sampled_from((0, FLOOR, 5_000, 5_001, 10_000)),
        specialties=st.dictionaries(st.sampled_from(SPECIALTIES), st.integers(0, 10_000)),
        decided=st.sampled_from((0, 9, 10)),
        floor_units=st.integers(0, 4),
        load=st.integers(0, 3),
        capacity=st.integers(1, 3),
        heard_at=st.sampled_from((NOW, NOW, NOW, NOW - 60, None)),
        rests_until=st.sampled_from((0, 0, 0, NOW, NOW + 1)),
        response_ms=st.sampled_from((100, 900)),
    ),
    max_size=25,
    unique_by=lambda one: one.agent,
)
TASKS = st.lists(
    st.builds(
        Waiting,
        id=st.integers(0, 99).map(lambda number: f"{number:02d}"),
        capabilities=some(CAPABILITIES, 1),
        max_units=st.integers(0, 4),
        deadline=st.integers(NOW - 1, NOW + 3),
        since=st.integers(NOW - 1_300, NOW),
        priority=st.integers(0, 2),
        specialty=st.sampled_from((None, *SPECIALTIES, "unheard")),
        tried=st.frozensets(st.integers(0, 40).map(address), max_size=2),
    ),
    max_size=40,
    unique_by=lambda one: one.id,
)
SHARES = st.sampled_from((0, 1_000, 3_333, 10_000))


def points(one: Candidate, asked: Waiting, rule: Rule, load: int) -> int:
    specialty = max(FLOOR, one.specialties.get(asked.specialty or "", FLOOR))
    room = 10_000 * max(0, one.capacity - load) // one.capacity
    speed = 10_000 * 1_000 // (1_000 + one.response_ms)
    return rule.reputation * one.score + rule.specialty * specialty + rule.room * room + rule.speed * speed


def refusal(one: Candidate, asked: Waiting, rule: Rule, load: int) -> Why | None:
    if one.agent in asked.tried:
        return Why.TRIED
    if one.heard_at is None or NOW - one.heard_at >= rule.heard_within_seconds:
        return Why.SILENT
    if one.rests_until > NOW:
        return Why.RESTING
    if load >= one.capacity:
        return Why.FULL
    return Why.TOO_DEAR if one.floor_units > asked.max_units else None


def slowly(tasks: list[Waiting], agents: list[Candidate], rule: Rule, credit: int) -> Plan:
    """The same rule by looking at everybody for every task."""
    load = {one.agent: one.load for one in agents}
    made: list[Decision] = []
    for asked in sorted(tasks, key=lambda t: (-(t.priority + (NOW - t.since) // 600), t.deadline, t.since, t.id)):
        if asked.deadline <= NOW:
            made.append(Decision(asked.id, None, Why.EXPIRED, 0, ()))
            continue
        able = [one for one in agents if asked.capabilities <= one.capabilities]
        why = {one.agent: refusal(one, asked, rule, load[one.agent]) for one in able}
        worth = {one.agent: points(one, asked, rule, load[one.agent]) for one in able}
        by_merit = sorted(able, key=lambda one: (-worth[one.agent], one.agent))
        fit = [one for one in by_merit if why[one.agent] is None]
        refused: dict[Why, bytes] = {}
        for one in by_merit:
            reason = why[one.agent]
            dear = one.floor_units > asked.max_units
            if reason in {Why.TRIED, Why.TOO_DEAR} or (reason is not None and not dear):
                refused.setdefault(reason, one.agent)
        chosen, how = None, Why.NO_CAPABILITY
        if fit:
            chosen, how = fit[0], Why.BEST
            new = next((one for one in fit if one.newcomer), None)
            if new is not None:
                credit += rule.newcomer_share_bps
                if credit >= 10_000 and new is not chosen:
                    refused[Why.NEWCOMERS_TURN] = chosen.agent
                    chosen, how = new, Why.NEWCOMER
                credit -= 10_000 if chosen is new else 0
            if how is Why.BEST and len(fit) > 1:
                refused[Why.FEWER_POINTS] = fit[1].agent
            load[chosen.agent] += 1
        elif able:
            left = [reason for reason in (Why.FULL, Why.RESTING, Why.SILENT, Why.TOO_DEAR) if reason in refused]
            others = any(one.agent not in asked.tried for one in able)
            how = left[0] if left else Why.TOO_DEAR if others else Why.TRIED
        rows = sorted((Refused(who, reason, worth[who]) for reason, who in refused.items()), key=_order)
        made.append(Decision(asked.id, chosen and chosen.agent, how, worth[chosen.agent] if chosen else 0, tuple(rows)))
    return Plan(tuple(made), credit)


def _order(one: Refused) -> tuple[int, bytes, Why]:
    return (-one.points, one.agent, one.why)


@settings(max_examples=80, deadline=None)
@given(TASKS, AGENTS, SHARES, st.integers(-20_000, 20_000), st.randoms(use_true_random=False))
def test_indexes_decide_as_a_look_at_everybody_does(
    tasks: list[Waiting], agents: list[Candidate], share: int, credit: int, chance: random.Random
) -> None:
    rule = Rule(newcomer_share_bps=share)
    plan = assign(tasks, agents, rule=rule, now=NOW, credit=credit)
    assert plan == slowly(tasks, agents, rule, credit)
    chance.shuffle(tasks)
    chance.shuffle(agents)
    assert assign(tasks, agents, rule=rule, now=NOW, credit=credit) == plan


def test_who_has_tried_a_task_is_told_with_the_points_it_has_now() -> None:
    specialist = Candidate(
        agent=address(1), capabilities=frozenset({"ocr"}), specialties={"ships": 9_000}, heard_at=NOW, capacity=4
    )
    tasks = [
        Waiting(id="00", capabilities=frozenset({"ocr"}), max_units=1, deadline=NOW + 1, since=NOW),
        *(
            Waiting(
                id=f"{number:02d}",
                capabilities=frozenset({"ocr"}),
                max_units=1,
                deadline=NOW + 1 + number % 2,
                since=NOW,
                specialty=specialty,
                tried=frozenset({address(1)}),
            )
            for number, specialty in ((1, "ships"), (2, None), (4, "cats"))
        ),
        Waiting(id="03", capabilities=frozenset({"ocr"}), max_units=1, deadline=NOW + 1, since=NOW - 600),
    ]
    rule = Rule(newcomer_share_bps=0)
    assert assign(tasks, [specialist], rule=rule, now=NOW) == slowly(tasks, [specialist], rule, 0)


@settings(max_examples=100, deadline=None)
@given(TASKS, AGENTS, SHARES)
def test_nobody_gets_what_it_cannot_do_and_every_task_has_an_answer(
    tasks: list[Waiting], agents: list[Candidate], share: int
) -> None:
    rule = Rule(newcomer_share_bps=share)
    plan = assign(tasks, agents, rule=rule, now=NOW)
    asked, able = {one.id: one for one in tasks}, {one.agent: one for one in agents}
    assert sorted(one.task for one in plan.decisions) == sorted(asked)
    given_out = Counter(one.agent for one in plan.decisions if one.agent is not None)
    assert all(able[who].load + count <= able[who].capacity for who, count in given_out.items())
    for one in plan.decisions:
        assert (one.agent is None) == (one.why not in {Why.BEST, Why.NEWCOMER})
        assert 0 <= one.points <= SCALE
        if one.agent is None:
            continue
        chosen, wanted = able[one.agent], asked[one.task]
        assert wanted.capabilities <= chosen.capabilities
        assert chosen.health(rule, NOW) is None
        assert chosen.floor_units <= wanted.max_units
        assert one.agent not in wanted.tried
        assert wanted.deadline > NOW


@settings(max_examples=100, deadline=None)
@given(AGENTS, TASKS, st.integers(0, 24), st.integers(1, 8_000))
def test_a_better_score_never_loses_a_task(
    agents: list[Candidate], tasks: list[Waiting], which: int, more: int
) -> None:
    rule = Rule(newcomer_share_bps=0)
    for one in agents[which : which + 1]:
        better = replace(one, score=min(10_000, one.score + more))
        others = [other for other in agents if other.agent != one.agent]
        for asked in tasks:
            before = assign([asked], agents, rule=rule, now=NOW).decisions[0]
            after = assign([asked], [*others, better], rule=rule, now=NOW).decisions[0]
            assert after.agent in {before.agent, one.agent}
            assert before.agent != one.agent or after.agent == one.agent


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 10_000))
def test_newcomers_get_their_share_wherever_one_would_do(count: int, share: int, newcomers: int, score: int) -> None:
    rule = Rule(newcomer_share_bps=share)
    known = [agent(number, capacity=100, score=9_000) for number in range(2)]
    new = [agent(10 + number, capacity=100, score=score, decided=9) for number in range(newcomers)]
    plan = assign([task(number) for number in range(count)], [*known, *new], rule=rule, now=NOW)
    theirs = [decision.agent in {one.agent for one in new} for decision in plan.decisions]
    for so_far in range(1, count + 1):
        assert sum(theirs[:so_far]) >= so_far * share // 10_000
    assert plan.credit == count * share - 10_000 * sum(theirs)


def test_the_share_goes_on_from_round_to_round() -> None:
    rule, agents, credit = Rule(newcomer_share_bps=2_500), [agent(1, score=9_000), agent(2, decided=0)], 0
    chosen = []
    for number in range(8):
        plan = assign([task(number)], agents, rule=rule, now=NOW, credit=credit)
        credit = plan.credit
        chosen.append(plan.decisions[0].why)
    assert chosen == [Why.BEST, Why.BEST, Why.BEST, Why.NEWCOMER] * 2
    assert plan.decisions[0].refused == (Refused(address(1), Why.NEWCOMERS_TURN, points(agents[0], task(0), rule, 0)),)


def test_a_specialist_goes_first_in_its_specialty_only() -> None:
    agents = [agent(1, score=5_500), agent(2, specialties={"law": 9_000})]
    plan = assign([task(1, specialty="law"), task(2)], agents, rule=Rule(), now=NOW)
    assert [one.agent for one in plan.decisions] == [address(2), address(1)]


def test_the_urgent_come_first_and_who_waits_becomes_urgent() -> None:
    agents = [agent(1, capacity=1)]
    plan = assign([task(1, deadline=NOW + 5), task(2, priority=1)], agents, rule=Rule(), now=NOW)
    assert [(one.task, one.why) for one in plan.decisions] == [("000002", Why.BEST), ("000001", Why.FULL)]
    old = task(1, since=NOW - 1_200)
    assert assign([old, task(2, priority=1)], agents, rule=Rule(), now=NOW).decisions[0].task == "000001"


def test_a_dead_agents_task_goes_to_the_next_best_and_never_back() -> None:
    agents = [agent(1, score=9_000), agent(2, score=8_000), agent(3, score=7_000), agent(4, decided=0)]
    left = task(1)
    order = []
    for _ in range(4):
        decision = failover(left, order[-1] if order else address(9), agents, rule=Rule(), now=NOW)
        assert decision.agent is not None
        left = replace(left, tried=left.tried | {decision.agent})
        order.append(decision.agent)
    assert order == [address(1), address(2), address(3), address(4)]
    decision = failover(left, address(4), agents, rule=Rule(), now=NOW)
    assert (decision.agent, decision.why) == (None, Why.TRIED)
    assert decision.refused[0] == Refused(address(1), Why.TRIED, points(agents[0], left, Rule(), 0))


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="task is given twice"):
        assign([task(1), task(1)], [], rule=Rule(), now=NOW)
    with pytest.raises(ValueError, match="agent is given twice"):
        assign([], [agent(1), agent(1)], rule=Rule(), now=NOW)
    with pytest.raises(ValueError, match="10,000"):
        Rule(reputation=1)
    with pytest.raises(ValueError, match="share"):
        Rule(newcomer_share_bps=10_001)
    with pytest.raises(ValueError, match="scores"):
        agent(1, score=10_001)
    with pytest.raises(ValueError, match="capability"):
        task(1, capabilities=frozenset())
