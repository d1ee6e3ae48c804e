"""How fast waiting tasks are assigned, and how many still complete while agents are killed at random.

The chaos runs in this process, a second a step, on the rules themselves: `backend.domain.scheduling` chooses,
`backend.domain.breaker` lets calls through. An agent that is killed loses its work and says nothing. The market hears
of it when a call fails, and goes on giving it tasks until its breaker opens or its heartbeat is missed. At least three
agents a capability live at any time. A task completes if it is done by its deadline.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from backend.domain import breaker as gate
from backend.domain.breaker import Breaker
from backend.domain.scheduling import Candidate, Decision, Rule, Waiting, assign
from scripts.bench.results import Figure

TASKS: Final = 10_000
AGENTS: Final = 1_000
CHAOS_TASKS: Final = 30_000
_ROUNDS: Final = 5
_NOW: Final = 1_700_000_000
_CAPABILITIES: Final = tuple(f"capability_{number}" for number in range(20))
_SPECIALTIES: Final = tuple(f"specialty_{number}" for number in range(10))

_CHAOS_AGENTS: Final = 24
_CHAOS_CAPABILITIES: Final = _CAPABILITIES[:6]
_ALIVE: Final = 3
_ARRIVALS: Final = 10
_KILL: Final = 0.3
_DOWN: Final = (5, 60)
_WORK: Final = (1, 8)
_NOTICE: Final = 2
_HEARTBEAT: Final = 20
_DEADLINE: Final = 120


def measure(tasks: int = CHAOS_TASKS) -> list[Figure]:
    """Return the seconds of one assignment, the least of five, and the share that completes under chaos."""
    waiting, candidates = market(Random(1))  # noqa: S311  # a market, not a secret
    taken: list[float] = []
    worked: list[float] = []
    for _ in range(_ROUNDS):
        began, busy = time.perf_counter(), time.process_time()
        plan = assign(waiting, candidates, rule=Rule(), now=_NOW)
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - busy)
    print(f"  {Counter(decision.why.value for decision in plan.decisions)}; each of {_ROUNDS} rounds: "
          f"{', '.join(f'{one:.2f} s' for one in taken)}")  # fmt: skip
    found = Chaos(seed=1).run(tasks)
    print(f"  {found}")
    return [
        Figure("scheduler.assign_10k_s", round(min(taken), 3), f"s, {AGENTS:,} agents"),
        Figure("scheduler.assign_10k_cpu_s", round(min(worked), 3), "s of processor"),
        Figure("failover.completed_share", round(found.share, 6), f"of {found.tasks:,} tasks"),
    ]


def market(rng: Random, tasks: int = TASKS, agents: int = AGENTS) -> tuple[list[Waiting], list[Candidate]]:
    """Return a market: four of twenty capabilities an agent, one in twenty silent, one in twenty at rest."""
    candidates = [
        Candidate(
            agent=number.to_bytes(20, "big"),
            capabilities=frozenset(rng.sample(_CAPABILITIES, 4)),
            score=rng.randint(2_000, 10_000),
            specialties={name: rng.randint(2_000, 10_000) for name in rng.sample(_SPECIALTIES, 3)},
            decided=rng.choice((0, 3, 50, 100, 200)),
            floor_units=rng.randrange(900_000),
            load=rng.randrange(3),
            heard_at=None if rng.random() < 0.05 else _NOW,
            rests_until=_NOW + 60 if rng.random() < 0.05 else 0,
            response_ms=rng.randint(20, 3_000),
        )
        for number in range(agents)
    ]
    waiting = [
        Waiting(
            id=f"{number:08d}",
            capabilities=frozenset({rng.choice(_CAPABILITIES)}),
            max_units=rng.randint(500_000, 3_000_000),
            deadline=_NOW + rng.randint(1, 10_000),
            since=_NOW - rng.randrange(3_000),
            priority=rng.randrange(3),
            specialty=rng.choice((*_SPECIALTIES, None)),
        )
        for number in range(tasks)
    ]
    return waiting, candidates


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tasks of a chaos, and how much went wrong on the way."""

    tasks: int
    completed: int
    late: int
    kills: int
    lost: int
    """Calls whose agent died; each task of one is given to the next."""
    refused: int
    """Calls the breakers did not let through."""

    @property
    def share(self) -> float:
        """The share that completed."""
        return self.completed / self.tasks


@dataclass(slots=True)
class _Agent:
    """A server: dead until a time, or alive, with its heartbeat and its breaker."""

    candidate: Candidate
    dead_until: int = 0
    heard_at: int = _NOW
    breaker: Breaker = field(default_factory=Breaker)
    lives: int = 0
    """Grows with every death, so that work of an earlier life is known to be lost."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A task at an agent, in the turn and the life it was given in, and when its outcome is known."""

    task: Waiting
    agent: bytes
    turn: int
    life: int
    until: int


class Chaos:
    """A market whose agents are killed at random, all of it decided by a seed."""

    def __init__(self, seed: int, *, failing_over: bool = True) -> None:
        """Without `failing_over` a task whose agent died is given up, to compare with."""
        self._rng = Random(seed)  # noqa: S311  # a story, not a secret
        self._failing_over = failing_over
        self._rule = Rule()
        self._credit = 0
        self._now = _NOW
        self._agents: dict[bytes, _Agent] = {}
        for number in range(_CHAOS_AGENTS):
            first = number % len(_CHAOS_CAPABILITIES)
            can = {_CHAOS_CAPABILITIES[first], _CHAOS_CAPABILITIES[first - 1 - number // len(_CHAOS_CAPABILITIES)]}
            one = Candidate(
                agent=number.to_bytes(20, "big"), capabilities=frozenset(can),
                score=self._rng.randint(2_000, 10_000), decided=self._rng.choice((0, 50)),
            )  # fmt: skip
            self._agents[one.agent] = _Agent(one)
        self._calls: list[_Call] = []
        self._waiting: list[Waiting] = []
        self._counts: Counter[str] = Counter()
        self._had: set[tuple[str, bytes]] = set()

    def run(self, tasks: int) -> Outcome:
        """Let tasks arrive, and go on until each has completed or its time is over."""
        arrived = 0
        while arrived < tasks or self._calls or self._waiting:
            for _ in range(min(_ARRIVALS, tasks - arrived)):
                self._waiting.append(self._arrival(arrived))
                arrived += 1
            self._kill()
            self._hear()
            self._finish()
            self._dispatch()
            self._now += 1
        counts = self._counts
        return Outcome(tasks, counts["completed"], counts["late"], counts["kills"], counts["lost"], counts["refused"])

    def _arrival(self, number: int) -> Waiting:
        can = frozenset({self._rng.choice(_CHAOS_CAPABILITIES)})
        return Waiting(
            id=f"{number:08d}", capabilities=can, max_units=1, deadline=self._now + _DEADLINE, since=self._now
        )

    def _kill(self) -> None:
        if self._rng.random() >= _KILL:
            return
        living = [one for one in self._agents.values() if one.dead_until <= self._now]
        one = self._rng.choice(living)
        alike = Counter(name for other in living if other is not one for name in other.candidate.capabilities)
        if all(alike[name] >= _ALIVE for name in one.candidate.capabilities):
            one.dead_until = self._now + self._rng.randint(*_DOWN)
            one.lives += 1
            self._counts["kills"] += 1

    def _hear(self) -> None:
        for one in self._agents.values():
            if one.dead_until <= self._now and self._now - one.heard_at >= _HEARTBEAT:
                one.heard_at = self._now

    def _finish(self) -> None:
        """Learn what became of calls: done, or failed because the agent has died since, or was dead."""
        open_calls = self._calls
        self._calls = []
        for call in open_calls:
            one = self._agents[call.agent]
            lost = one.lives != call.life or one.dead_until > self._now
            if call.until > self._now:
                self._calls.append(call)
            elif not lost:
                one.breaker = gate.good(one.breaker, call.turn)
                self._counts["completed" if self._now <= call.task.deadline else "late"] += 1
            else:
                one.breaker = gate.bad(one.breaker, call.turn, self._now * 1_000)
                self._counts["lost"] += 1
                if self._failing_over:
                    self._waiting.append(replace(call.task, tried=call.task.tried | {call.agent}))

    def _dispatch(self) -> None:
        """Assign what waits; what a breaker does not let through is assigned again at once."""
        refused = True
        while refused and self._waiting:
            refused = False
            plan = assign(self._waiting, self._candidates(), rule=self._rule, now=self._now, credit=self._credit)
            self._credit = plan.credit
            tasks = {task.id: task for task in self._waiting}
            for decision in plan.decisions:
                if decision.agent is None:
                    if self._now >= tasks[decision.task].deadline:
                        del tasks[decision.task]
                        self._counts["late"] += 1
                elif self._call(tasks[decision.task], decision):
                    del tasks[decision.task]
                else:
                    refused = True
                    self._counts["refused"] += 1
            self._waiting = list(tasks.values())

    def _call(self, task: Waiting, decision: Decision) -> bool:
        assert decision.agent is not None
        one = self._agents[decision.agent]
        through = gate.asked(one.breaker, self._now * 1_000)
        if through is None:
            return False
        if (task.id, decision.agent) in self._had:
            raise AssertionError("an agent that has lost a task is given it again")
        self._had.add((task.id, decision.agent))
        one.breaker = through
        dead = one.dead_until > self._now
        until = self._now + (_NOTICE if dead else self._rng.randint(*_WORK))
        # an agent that is dead when it is called loses the task even where it is back before that is noticed
        self._calls.append(_Call(task, decision.agent, through.turn, -1 if dead else one.lives, until))
        return True

    def _candidates(self) -> list[Candidate]:
        load = Counter(call.agent for call in self._calls)
        if any(count > self._agents[agent].candidate.capacity for agent, count in load.items()):
            raise AssertionError("an agent has more tasks than it can do at once")
        return [
            replace(
                one.candidate, load=load[agent], heard_at=one.heard_at,
                rests_until=self._now + -(-gate.wait_ms(one.breaker, self._now * 1_000) // 1_000),
            )
            for agent, one in self._agents.items()
        ]  # fmt: skip
