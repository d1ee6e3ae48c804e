"""The circuit breaker against a naive one that keeps its whole history, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain import breaker as rules
from backend.domain.breaker import Breaker, State

Outcome = Literal["good", "bad", "unclear"]


@dataclass
class Call:
    """One call that was let through, and what became of it."""

    trial: bool
    outcome: Outcome | None = None


@dataclass
class Naive:
    """Keeps every call since the last change of state, and counts them again each time."""

    state: State = State.CLOSED
    rests: list[int] = field(default_factory=list)
    """The rests since it was closed last."""
    ends: int = 0
    calls: list[Call] = field(default_factory=list)
    void: list[Call] = field(default_factory=list)

    def may(self, now: int) -> bool:
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN:
            return now >= self.ends
        useful = [call for call in self.calls if call.outcome in {None, "good"}]
        return len(useful) < 3 or now >= self.ends

    def ask(self, now: int) -> Call | None:
        if not self.may(now):
            return None
        if self.state is State.OPEN:
            self.state, self.calls, self.ends = State.HALF_OPEN, [], now + 60_000
        elif self.state is State.HALF_OPEN and len([c for c in self.calls if c.outcome in {None, "good"}]) == 3:
            self.void += [call for call in self.calls if call.outcome is None]
            self.calls = [call for call in self.calls if call.outcome == "good"]
            self.ends = now + 60_000
        call = Call(trial=self.state is State.HALF_OPEN)
        self.calls.append(call)
        return call

    def tell(self, call: Call, outcome: Outcome, now: int) -> None:
        if not any(call is one for one in self.calls):
            return
        call.outcome = outcome
        if self.state is State.CLOSED:
            # what counts is the order in which outcomes come in
            self.calls.remove(call)
            self.void.append(call)
            self._closed.append(outcome)
            row = 0
            for one in self._closed:
                row = {"good": 0, "bad": row + 1, "unclear": row}[one]
            if row == 5:
                self._open(1_500, now)
        elif outcome == "bad":
            self._open(min(self.rests[-1] * 3 // 2, 60_000), now)
        elif len([one for one in self.calls if one.outcome == "good"]) == 3:
            self.state, self.rests, self.calls, self._closed = State.CLOSED, [], [], []

    _closed: list[Outcome] = field(default_factory=list)

    def _open(self, rest: int, now: int) -> None:
        self.state, self.calls, self._closed = State.OPEN, [], []
        self.rests.append(rest)
        self.ends = now + rest

    def reset(self) -> None:
        self.state, self.rests, self.calls, self._closed = State.CLOSED, [], [], []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "good", "bad", "bad", "unclear", "reset", "sleep"]),
        st.integers(0, 7),
        st.sampled_from([0, 0, 1, 749, 1_499, 1_500, 2_250, 59_999, 60_000]),
    ),
    max_size=120,
)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_it_does_what_the_naive_one_does(steps: list[tuple[str, int, int]]) -> None:
    one, naive, now = Breaker(), Naive(), 1_000_000
    under_way: list[tuple[int, Call]] = []
    for what, which, later in steps:
        now += later
        match what:
            case "ask":
                after, call = rules.asked(one, now), naive.ask(now)
                assert (after is None) == (call is None)
                assert (after is None) == (rules.wait_ms(one, now) > 0)
                if after is not None and call is not None:
                    one = after
                    under_way.append((one.turn, call))
            case "reset":
                one = rules.reset(one)
                naive.reset()
            case "good" | "bad" | "unclear" if under_way:
                turn, call = under_way.pop(which % len(under_way))
                outcome: Outcome = what  # type: ignore[assignment]
                naive.tell(call, outcome, now)
                match outcome:
                    case "good":
                        one = rules.good(one, turn)
                    case "bad":
                        one = rules.bad(one, turn, now)
                    case "unclear":
                        one = rules.unclear(one, turn)
        assert one.state == naive.state
        assert one.rest_ms == (naive.rests[-1] if naive.rests else 0)
        if one.state is State.OPEN:
            assert rules.wait_ms(one, now) == max(0, naive.ends - now)
        assert 0 <= one.given + one.succeeded <= rules.TRIALS


def fail(one: Breaker, now: int, times: int = 1) -> Breaker:
    for _ in range(times):
        one = rules.bad(one, one.turn, now)
    return one


def test_five_failures_in_a_row_open_it_for_a_second_and_a_half() -> None:
    one = fail(Breaker(), 0, 4)
    one = fail(rules.good(one, 0), 0, 4)
    assert one.state is State.CLOSED, "a success begins the row anew"
    one = fail(one, 100)
    assert (one.state, rules.wait_ms(one, 100), rules.wait_ms(one, 1_599)) == (State.OPEN, 1_500, 1)
    assert rules.asked(one, 1_599) is None
    trial = rules.asked(one, 1_600)
    assert trial is not None
    assert trial.state is State.HALF_OPEN


def test_rests_grow_by_half_up_to_a_minute_and_begin_anew_once_it_has_closed() -> None:
    now, one = 0, fail(Breaker(), 0, 5)
    rests = [one.rest_ms]
    while one.rest_ms < 60_000:
        now += one.rest_ms
        trial = rules.asked(one, now)
        assert trial is not None
        one = fail(trial, now)
        rests.append(one.rest_ms)
    assert rests == [1500, 2250, 3375, 5062, 7593, 11389, 17083, 25624, 38436, 57654, 60000]
    now += 60_000
    for _ in range(3):
        trial = rules.asked(one, now)
        assert trial is not None
        one = rules.good(trial, trial.turn)
    assert one.state is State.CLOSED
    assert fail(one, now, 5).rest_ms == 1500


def test_three_trials_at_a_time_and_those_of_the_dead_are_given_anew() -> None:
    one: Breaker | None = fail(Breaker(), 0, 5)
    for _ in range(3):
        assert one is not None
        one = rules.asked(one, 1_500)
    assert one is not None
    assert rules.asked(one, 1_500) is None
    assert rules.asked(one, 61_499) is None
    assert (rules.wait_ms(one, 1_500), rules.wait_ms(one, 61_499)) == (1_500, 1)
    lost = one.turn
    one = rules.asked(one, 61_500)
    assert one is not None
    assert rules.good(one, lost) == one, "who was given up decides nothing"
    one = rules.unclear(one, one.turn)
    assert (one.given, one.state) == (0, State.HALF_OPEN)
